// The legend of a page's figure: buttons in the picture's head, each of which hides and shows the traces
// of a group, or shows only these. What is hidden stays hidden when the figure changes, and in one that
// takes its place.
import { drawnTraces, onFigures } from "./bridge.js";

const HIDDEN = "legendonly"; // as plotly's own legend hides; Python says false of traces no longer needed
const SHAPES = {
  circle: "M8 2a6 6 0 1 0 .01 0z",
  square: "M3 3h10v10h-10z",
  diamond: "M8 1l7 7l-7 7l-7-7z",
  cross: "M6 2h4v4h4v4h-4v4h-4v-4h-4v-4h4z",
  x: "M4 1l4 4l4-4l3 3l-4 4l4 4l-3 3l-4-4l-4 4l-3-3l4-4l-4-4z",
};
const HINT = "Click: hide or show. Double click, or Alt and click: show only this; once more: show all.";

const LETTERS = { "&lt;": "<", "&gt;": ">", "&amp;": "&" };
const letters = (text) => text.replace(/&(lt|gt|amp);/g, (mark) => LETTERS[mark]); // plotly takes names as HTML
const keyOf = (trace) => trace.legendgroup || trace.meta || trace.name;
const one = (value) => (Array.isArray(value) || ArrayBuffer.isView(value) ? value[0] : value);
const isPlace = (values) => values?.length > 0 && [...values].some((value) => value !== null);

/** Return a colour of which `faint`, "rgba(...)", is left where it is not looked for; in space that is dark, too. */
function opaque(faint, solid) {
  const [red, green, blue, alpha] = faint.match(/[\d.]+/g).map(Number);
  return `rgb(${[red, green, blue].map((part) => Math.min(255, Math.round(solid ? part / alpha : part))).join(", ")})`;
}

function colorOf({ marker, line, type }) {
  const colors = [marker?.color, line?.color].map(one);
  const color = colors.find((named) => typeof named === "string") ?? "currentColor";
  return color.startsWith("rgba") ? opaque(color, type === "scatter3d") : color;
}

/**
 * Return what the legend names of a drawn figure: `[{ key, name, color, symbol, own }]`. `own` says
 * whether the group draws anything that could be hidden.
 */
export function entriesOf(plot) {
  const traces = drawnTraces(plot).filter((trace) => trace.visible !== false);
  const drawn = new Set(traces.filter((trace) => isPlace(trace.x ?? trace.z)).map(keyOf));
  const found = new Map();
  for (const trace of traces) {
    const key = keyOf(trace);
    if (!trace.showlegend || !trace.name || found.has(key)) continue;
    const symbol = one(trace.marker?.symbol) ?? "square";
    const entry = { key, name: letters(trace.name), color: colorOf(trace), symbol, own: drawn.has(key) };
    found.set(key, { entry, rank: trace.legendrank });
  }
  return [...found.values()].sort((a, b) => a.rank - b.rank).map(({ entry }) => entry);
}

/**
 * Return `{ traces, visible }`: the numbers of traces that are not as `hidden` says, and what they
 * become.
 */
export function needed(plot, hidden) {
  const change = { traces: [], visible: [] };
  plot.data.forEach((trace, number) => {
    const now = trace.visible ?? true;
    const wanted = hidden.has(keyOf(trace)) ? HIDDEN : true;
    if (now === false || now === wanted) return;
    change.traces.push(number);
    change.visible.push(wanted);
  });
  return change;
}

/** Return the groups hidden once `key` is pressed; with `alone` all others are, or none if they were. */
export function pressed(keys, hidden, key, alone) {
  const others = keys.filter((other) => other !== key);
  if (!alone && hidden.has(key)) return new Set([...hidden].filter((other) => other !== key));
  if (!alone) return new Set([...hidden, key]);
  const isAlone = !hidden.has(key) && others.every((other) => hidden.has(other));
  return new Set(isAlone ? [] : others);
}

function mark({ color, symbol }) {
  const shape = SHAPES[symbol.replace("-open", "")] ?? SHAPES.circle;
  const fill = symbol.endsWith("-open") ? "none" : color;
  const path = `<path d="${shape}" fill="${fill}" stroke="${color}" stroke-width="1.5"/>`;
  return `<svg viewBox="0 0 16 16" width="12" height="12" aria-hidden="true">${path}</svg>`;
}

function button(entry, hidden, press) {
  const made = document.createElement(entry.own ? "button" : "span");
  made.className = "lfx-key";
  made.innerHTML = mark(entry);
  made.append(entry.name);
  if (!entry.own) return made;
  Object.assign(made, { type: "button", title: HINT, ariaPressed: `${!hidden.has(entry.key)}` });
  made.dataset.key = entry.key;
  made.onclick = (event) => press(entry.key, event.altKey || event.detail > 1);
  return made;
}

function placeIn(head) {
  const there = head.querySelector(".lfx-legend");
  if (there) return there;
  const place = document.createElement("div");
  Object.assign(place, { className: "lfx-legend", role: "group", ariaLabel: "Legend" });
  head.append(place);
  return place;
}

/** Show the buttons in `place`, unless they are there already; the one with the focus keeps it. */
function show(place, entries, hidden, press) {
  const says = JSON.stringify([entries, [...hidden]]);
  if (place.dataset.says === says) return;
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  place.dataset.says = says;
  place.replaceChildren(...entries.map((entry) => button(entry, hidden, press)));
  for (const made of place.children) if (focused !== undefined && made.dataset.key === focused) made.focus();
}

/**
 * Draw a legend in the head of `panel()` for each figure below it. `restyle(plot, traces, properties)`
 * changes traces in the page alone. Return how to stop that.
 */
export function drawLegends(panel, restyle) {
  let hidden = new Set();
  const watch = (plot) => {
    const head = panel()?.querySelector(".lfx-head");
    if (!head || !panel().contains(plot)) return;
    const update = () => {
      if (!plot.isConnected) return;
      const entries = entriesOf(plot);
      const { traces, visible } = needed(plot, hidden);
      if (traces.length) restyle(plot, traces, { visible });
      show(placeIn(head), entries, hidden, press);
    };
    const press = (key, alone) => {
      const keys = entriesOf(plot).filter(({ own }) => own);
      hidden = pressed(keys.map((entry) => entry.key), hidden, key, alone);
      update();
    };
    plot.on("plotly_afterplot", update);
    update();
  };
  return onFigures(watch);
}
