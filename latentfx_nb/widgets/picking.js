// Which point of a figure was clicked: the one under the pointer when a press that did not move is released.
// plotly by itself clicks only within 5 px of a point's middle, though it names points farther away, and it
// takes the start of a rotation for a click.
import { onFigures } from "./bridge.js";

const STILL_PX = 4;

/** Return what a click tells of plotly's `point`: trace, number and place. */
export function told({ data, curveNumber, pointNumber, x, y }) {
  const number = Array.isArray(pointNumber) ? pointNumber[0] : pointNumber;
  return { kind: "point", trace: data?.meta ?? `${curveNumber}`, number, x, y };
}

/** Say whether a press at `down` that ends at `up` is a click and no rotation. */
export function still(down, up) {
  return Boolean(down) && Math.hypot(up.clientX - down.clientX, up.clientY - down.clientY) <= STILL_PX;
}

function watch(plot, tell) {
  let under;
  let down;
  const first = (event) => event.points?.[0];
  plot.on("plotly_hover", (event) => (under = first(event)));
  plot.on("plotly_unhover", () => (under = undefined));
  plot.on("plotly_click", (event) => {
    // A finger hovers over nothing.
    if (down?.pointerType === "touch" && first(event)) tell(told(first(event)));
  });
  plot.addEventListener("pointerdown", (event) => (down = event), true);
  plot.addEventListener(
    "pointerup",
    (event) => {
      const click = event.pointerType !== "touch" && event.button === 0 && still(down, event);
      if (click && under) tell(told(under));
    },
    true,
  );
}

/** Call `tell` with each point that is clicked in a figure below `root`; return how to stop that. */
export function tellPoints(root, tell) {
  return onFigures((plot) => root().contains(plot) && watch(plot, tell));
}
