// The lab: one run with everything to see and to change.
import { button, h, setText } from "../dom";
import { openWithoutWebgpu } from "../no_webgpu";
import { plain } from "../numbers";
import { defaults, fromQuery, toQuery, type Values } from "../properties";
import { linkTo, showLink } from "../router";
import { divergencePlot, lossPlot } from "../run/curves";
import { Lamp } from "../run/lamp";
import { Readout } from "../run/readout";
import { Session } from "../run/session";
import type { Route, View } from "../view";
import { webgpuSupport } from "../webgpu";

/** Opens the lab, or the page that explains why there is none. */
export async function open(route: Route): Promise<View> {
  const support = await webgpuSupport();
  return support.ok ? openLab(route) : openWithoutWebgpu(support);
}

function openLab(route: Route): View {
  const session = new Session();
  const step = h("output", { "data-testid": "step" }, "0");
  const error = h("p", { class: "notice error", "data-testid": "error", role: "alert", hidden: true });
  const adapter = h("span", { class: "note", "data-testid": "adapter" });
  const plots = [divergencePlot(), lossPlot()];
  const start = button("Start", () => session.start(), { class: "primary", "data-testid": "start" });
  const pause = button("Pause", () => session.pause(), { "data-testid": "pause" });
  const single = button("Single step", () => session.step(), { "data-testid": "single-step" });
  const reset = button("Reset", () => session.open(session.values), { "data-testid": "reset" });
  const lamp = session.add(new Lamp());
  const readout = session.add(new Readout());
  plots.forEach((plot) => session.add(plot));
  const element = h(
    "div",
    { class: "page wide" },
    h("h1", { class: "hidden" }, "Lab"),
    error,
    h("div", { class: "toolbar" }, start, pause, single, reset, h("span", {}, "step ", step), adapter),
    lamp.element,
    readout.element,
    ...plots.map(({ element }) => element),
  );
  session.add({
    element,
    update: () => {
      setText(step, plain(session.record?.lastStep() ?? 0));
      setText(adapter, session.opened?.adapter.name ?? "");
      error.hidden = session.error === undefined;
      setText(error, session.error?.message ?? "");
    },
  });
  const openValues = ({ query }: Route): void => {
    const values: Values = fromQuery(query, defaults()).values;
    showLink(linkTo("lab", toQuery(values)));
    session.open(values);
    session.start();
  };
  openValues(route);
  return { element, navigate: openValues, close: () => session.close() };
}
