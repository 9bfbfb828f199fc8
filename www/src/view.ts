// A view of the page: the lab, the equations, the lesson or the device. The shell shows one at a time.

/** The part of the address after `#`: `#/lab?lr=0.1` is the path `lab` with its query; `#/lesson/2` has the rest `2`. */
export interface Route {
  path: string;
  rest: string;
  query: URLSearchParams;
  /** The path that the address names, if there is no such view; `path` is then that of the first view. */
  unknown?: string;
}

/** A view on screen. */
export interface View {
  /** The content of `<main>`. */
  element: HTMLElement;
  /** Called when the address changes within the view. Without this method the view is closed and reopened. */
  navigate?(route: Route): void;
  /** Terminates workers and removes listeners. */
  close(): void;
}

/** A module that opens a view. */
export interface ViewModule {
  open(route: Route): View | Promise<View>;
}
