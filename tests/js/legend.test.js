import assert from "node:assert/strict";
import { test } from "node:test";

import { entriesOf, needed, pressed } from "../../latentfx_nb/widgets/legend.js";

const red = { color: "#d90a2a", symbol: "x" };
const grey = { color: ["#6c6c6c"] };
const SHOWN = { showlegend: true, visible: true, legendrank: 1000 };

/** A drawn figure: two views of distortion, one of clean, a ring, and a name of something not drawn. */
function figure() {
  const data = [
    { meta: "view 1 DIS", legendgroup: "DIS", name: "DIS distortion", marker: red, x: [1, 2] },
    { meta: "view 1 CLN", legendgroup: "CLN", name: "CLN clean", marker: grey, x: [3], legendrank: 1 },
    { meta: "view 2 DIS", legendgroup: "DIS", name: "DIS distortion", x: [4], showlegend: false },
    { meta: "chosen 1", name: "chosen", x: [1], showlegend: false },
    { meta: "legend LPF", name: "LPF low-pass filter", marker: { color: "#2765cb" }, x: [null] },
    { meta: "spare", visible: false },
  ];
  return { data, _fullData: data.map((trace) => ({ ...SHOWN, ...trace })) };
}

const visible = ({ data }) => data.map((trace) => trace.visible ?? true);

function apply(plot, hidden) {
  const change = needed(plot, hidden);
  change.traces.forEach((number, i) => (plot.data[number].visible = change.visible[i]));
  return change;
}

test("the legend names each group once, the reference first, with its colour and symbol", () => {
  assert.deepEqual(entriesOf(figure()), [
    { key: "CLN", name: "CLN clean", color: "#6c6c6c", symbol: "square", own: true },
    { key: "DIS", name: "DIS distortion", color: "#d90a2a", symbol: "x", own: true },
    { key: "legend LPF", name: "LPF low-pass filter", color: "#2765cb", symbol: "square", own: false },
  ]);
});

test("the legend shows the colour of points that are faint because they are not looked for", () => {
  const plot = figure();
  const faint = { solid: ["scatter3d", "rgba(22, 1, 4, 0.1)"], flat: ["scatter", "rgba(217, 10, 42, 0.1)"] };
  const shown = Object.values(faint).map(([type, color]) => {
    Object.assign(plot._fullData[0], { type, marker: { color: [color, "#d90a2a"] } });
    return entriesOf(plot)[1].color;
  });
  assert.deepEqual(shown, ["rgb(220, 10, 40)", "rgb(217, 10, 42)"]);
});

test("a pressed group is hidden in all views and comes back; what Python hides stays hidden", () => {
  const plot = figure();
  apply(plot, new Set(["DIS"]));
  assert.deepEqual(visible(plot), ["legendonly", true, "legendonly", true, true, false]);
  assert.deepEqual(needed(plot, new Set(["DIS"])).traces, []); // nothing more is sent
  apply(plot, new Set());
  assert.deepEqual(visible(plot), [true, true, true, true, true, false]);
});

test("what is hidden stays hidden when the traces take each other's places", () => {
  const plot = figure();
  apply(plot, new Set(["DIS"]));
  [plot.data[0].legendgroup, plot.data[1].legendgroup] = ["CLN", "DIS"];
  apply(plot, new Set(["DIS"]));
  assert.deepEqual(visible(plot).slice(0, 3), [true, "legendonly", "legendonly"]);
});

test("one group alone hides the others, and pressed once more shows all", () => {
  const keys = ["CLN", "DIS", "HPF"];
  assert.deepEqual(pressed(keys, new Set(), "DIS", false), new Set(["DIS"]));
  assert.deepEqual(pressed(keys, new Set(["DIS"]), "DIS", false), new Set());
  const alone = pressed(keys, new Set(["DIS"]), "DIS", true);
  assert.deepEqual(alone, new Set(["CLN", "HPF"]));
  assert.deepEqual(pressed(keys, alone, "HPF", true), new Set(["CLN", "DIS"]));
  assert.deepEqual(pressed(keys, alone, "DIS", true), new Set());
});
