// What the shell shows one at a time: the lab, the equations, the lesson.

/** The part of the address after `#`: `#/lab?lr=0.1` is the path `lab` with its query; `#/lesson/2` has the rest `2`. */
export interface Route {
  path: string;
  rest: string;
  query: URLSearchParams;
}

/** A view on screen. */
export interface View {
  /** Goes into `<main>`. */
  element: HTMLElement;
  /** The address changed within the view; without this method the view is closed and opened anew. */
  navigate?(route: Route): void;
  /** Ends workers and listeners. */
  close(): void;
}

/** A module that makes a view. */
export interface ViewModule {
  open(route: Route): View | Promise<View>;
}
