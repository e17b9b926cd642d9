import assert from "node:assert/strict";
import { test } from "node:test";

import { still, told, watch } from "../../latentfx_nb/widgets/picking.js";
import { Element, fire } from "./page.js";

const at = (clientX, clientY) => ({ clientX, clientY });

test("a press that stays within four pixels is a click, and one that goes farther a rotation", () => {
  assert.equal(still(at(10, 10), at(12, 13)), true);
  assert.equal(still(at(10, 10), at(14, 10)), true);
  assert.equal(still(at(10, 10), at(14, 11)), false);
  assert.equal(still(undefined, at(10, 10)), false);
});

test("a press is a click wherever it is released: plotly covers a flat figure meanwhile", () => {
  const page = (globalThis.document = new Element());
  const plot = new Element();
  const heard = {};
  const clicked = [];
  plot.on = (name, callback) => (heard[name] = callback);
  watch(plot, (message) => message.kind === "point" && clicked.push(message.x));
  const mouse = { clientX: 5, clientY: 5, button: 0, pointerType: "mouse" };
  heard.plotly_hover({ points: [{ data: { meta: "map" }, pointNumber: [3, 4], x: "12", y: "RVB" }] });
  fire(plot, "pointerdown", mouse);
  heard.plotly_unhover();
  fire(page, "pointerup", mouse);
  assert.deepEqual(clicked, ["12"]);
  fire(page, "pointerup", mouse); // of a press elsewhere
  assert.deepEqual(clicked, ["12"]);
});

test("a click tells the trace by its name, the point and its place", () => {
  const point = { data: { meta: "paths" }, curveNumber: 2, pointNumber: 7, x: 0.5, y: 1.5, z: 2.5 };
  assert.deepEqual(told(point), { kind: "point", trace: "paths", number: 7, x: 0.5, y: 1.5 });
});

test("a click on a cell tells its row, and a trace without a name its number", () => {
  const cell = { data: {}, curveNumber: 1, pointNumber: [3, 4], x: "HPF", y: "LPF" };
  assert.deepEqual(told(cell), { kind: "point", trace: "1", number: 3, x: "HPF", y: "LPF" });
});
