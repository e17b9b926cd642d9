// Which point of a figure was clicked: the one under the pointer when a press that did not move is released.
// plotly by itself clicks only within 5 px of a point's middle, though it names points farther away, and it
// takes the start of a rotation for a click. Told are, too: the point that the pointer rests on, points that
// were drawn around, the scene that was clicked where no point is, and Escape.
import { onFigures } from "./bridge.js";

const STILL_PX = 4;
const RESTING_MS = 150;

/** Return what a click tells of plotly's `point`: trace, number and place. */
export function told({ data, curveNumber, pointNumber, x, y }) {
  const number = Array.isArray(pointNumber) ? pointNumber[0] : pointNumber;
  return { kind: "point", trace: data?.meta ?? `${curveNumber}`, number, x, y };
}

/** Say whether a press at `down` that ends at `up` is a click and no rotation. */
export function still(down, up) {
  return Boolean(down) && Math.hypot(up.clientX - down.clientX, up.clientY - down.clientY) <= STILL_PX;
}

/** Return a function of the point under the pointer: it tells of one that is rested on, and of its end. */
export function resting(tell) {
  let timer;
  let said;
  return (point) => {
    clearTimeout(timer);
    const { trace = null, number, x } = point ?? {};
    const after = () => {
      if (said === `${trace} ${number} ${x}`) return; // the cells of a row have one number
      said = `${trace} ${number} ${x}`;
      tell({ ...point, kind: "hover", trace });
    };
    timer = setTimeout(after, RESTING_MS);
  };
}

/** Return what a selection tells of plotly's `points`: the name and number of each. */
export function drawnAround(points) {
  return { kind: "select", points: points.map((point) => [point.data?.meta ?? "", told(point).number]) };
}

/** Return the number of the scene, or of the axes in a plane, that has a place of the figure; 0 if none. */
export function sceneAt(layout, across, up) {
  const within = ([low, high], at) => low <= at && at <= high;
  for (const [part, axis] of Object.entries(layout)) {
    const [, kind, number] = /^(scene|xaxis)(\d*)$/.exec(part) ?? [];
    const { x, y } = (kind === "scene" ? axis.domain : kind && domains(layout, number)) ?? {};
    if (x && y && within(x, across) && within(y, up)) return Number(number || 1);
  }
  return 0;
}

function domains(layout, number) {
  return { x: layout[`xaxis${number}`].domain, y: layout[`yaxis${number}`]?.domain };
}

function placeOf(plot, { clientX, clientY }) {
  const box = plot.getBoundingClientRect();
  const [across, up] = [(clientX - box.left) / box.width, 1 - (clientY - box.top) / box.height];
  return { kind: "place", number: sceneAt(plot.layout, across, up) };
}

function watchSelection(plot, tell) {
  plot.on("plotly_selected", (event) => event && tell(drawnAround(event.points)));
  plot.on("plotly_deselect", () => tell(drawnAround([])));
  plot.addEventListener("keydown", ({ key }) => key === "Escape" && tell({ kind: "clear" }));
}

/**
 * Watch the presses on a figure; they end anywhere, as plotly covers a flat one while it is pressed. Only
 * that long is the document listened to: nothing of a figure that goes stays there.
 */
export function watch(plot, tell) {
  watchSelection(plot, tell);
  let under;
  let down;
  let pressed;
  const first = (event) => event.points?.[0];
  const rest = resting(tell);
  plot.on("plotly_hover", (event) => {
    under = first(event);
    rest(under && told(under));
  });
  plot.on("plotly_unhover", () => rest((under = undefined)));
  plot.on("plotly_click", (event) => {
    // A finger hovers over nothing.
    if (down?.pointerType === "touch" && first(event)) tell(told(first(event)));
  });
  const release = (event) => {
    const click = event.pointerType !== "touch" && event.button === 0 && still(down, event);
    const point = under ?? pressed;
    [down, pressed] = [event.pointerType === "touch" ? down : undefined, undefined];
    if (click) tell(point ? told(point) : placeOf(plot, event));
  };
  const press = (event) => {
    [down, pressed] = [event, under];
    document.addEventListener("pointerup", release, { capture: true, once: true });
  };
  plot.addEventListener("pointerdown", press, true);
}

/**
 * Call `tell` with each point of a figure below `root()` that is clicked, or that the pointer rests on:
 * "hover", without a trace once it has left. Return how to stop that.
 */
export function tellPoints(root, tell) {
  return onFigures((plot) => root()?.contains(plot) && watch(plot, tell));
}
