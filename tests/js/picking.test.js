import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { drawnAround, resting, sceneAt, still, told, watch } from "../../latentfx_nb/widgets/picking.js";
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

test("the document is listened to only while a figure is pressed, so that none keeps a figure that is gone", () => {
  const page = (globalThis.document = new Element());
  const listening = new Set();
  const { addEventListener } = page;
  page.addEventListener = (name, listener, options) => {
    const heard = (event) => (options.once && listening.delete(name), listener(event));
    listening.add(name);
    addEventListener.call(page, name, heard, options);
  };
  const plot = Object.assign(new Element(), { on: () => {} });
  watch(plot, () => {});
  assert.deepEqual([...listening], []);
  fire(plot, "pointerdown", { ...at(5, 5), button: 0, pointerType: "mouse" });
  assert.deepEqual([...listening], ["pointerup"]);
  fire(page, "pointerup", { ...at(50, 5), button: 0, pointerType: "mouse" });
  assert.deepEqual([...listening], []);
});

test("a click tells the trace by its name, the point and its place", () => {
  const point = { data: { meta: "paths" }, curveNumber: 2, pointNumber: 7, x: 0.5, y: 1.5, z: 2.5 };
  assert.deepEqual(told(point), { kind: "point", trace: "paths", number: 7, x: 0.5, y: 1.5 });
});

test("a click on a cell tells its row, and a trace without a name its number", () => {
  const cell = { data: {}, curveNumber: 1, pointNumber: [3, 4], x: "HPF", y: "LPF" };
  assert.deepEqual(told(cell), { kind: "point", trace: "1", number: 3, x: "HPF", y: "LPF" });
});

test("points that were drawn around are told by trace and number", () => {
  const points = [
    { data: { meta: "view 1 HPF" }, pointNumber: 3 },
    { data: {}, pointNumber: 1 },
  ];
  assert.deepEqual(drawnAround(points), { kind: "select", points: [["view 1 HPF", 3], ["", 1]] });
  assert.deepEqual(drawnAround([]), { kind: "select", points: [] });
});

test("a place in the picture is in one of its scenes, or between them", () => {
  const domain = (x, y) => ({ domain: { x, y } });
  const solid = { scene: domain([0, 0.7], [0, 1]), scene2: domain([0.8, 1], [0.5, 1]), title: {} };
  assert.deepEqual([sceneAt(solid, 0.3, 0.2), sceneAt(solid, 0.9, 0.7), sceneAt(solid, 0.9, 0.2)], [1, 2, 0]);
  const flat = {
    xaxis: { domain: [0, 0.7] },
    yaxis: { domain: [0, 1] },
    xaxis3: { domain: [0.8, 1] },
    yaxis3: { domain: [0, 0.4] },
  };
  assert.deepEqual([sceneAt(flat, 0.3, 0.2), sceneAt(flat, 0.9, 0.2), sceneAt(flat, 0.9, 0.7)], [1, 3, 0]);
  assert.equal(sceneAt({}, 0.5, 0.5), 0);
});

const hovered = (number) => ({ kind: "point", trace: "paths", number, x: 1, y: 2 });

/** Return what tells of points that are rested on, by a clock of the test's, and the list of what was told. */
function rests() {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  const said = [];
  return { said, rest: resting((point) => said.push(point)) };
}

test("a point that the pointer rests on for 150 ms is told, and once more when it is left", () => {
  const { said, rest } = rests();
  rest(hovered(3));
  mock.timers.tick(149);
  assert.deepEqual(said, []);
  mock.timers.tick(1);
  assert.deepEqual(said, [{ ...hovered(3), kind: "hover" }]);
  rest(undefined);
  mock.timers.tick(150);
  assert.deepEqual(said.slice(1), [{ kind: "hover", trace: null }]);
  mock.timers.reset();
});

test("points that the pointer only passes over are not told", () => {
  const { said, rest } = rests();
  for (const number of [1, 2, 3]) {
    rest(hovered(number));
    mock.timers.tick(100);
  }
  mock.timers.tick(50);
  assert.deepEqual(said.map(({ number }) => number), [3]);
  mock.timers.reset();
});

test("each cell of a row is told, though they have one number", () => {
  const { said, rest } = rests();
  for (const x of [1, 2]) {
    rest({ ...hovered(3), x });
    mock.timers.tick(150);
  }
  assert.deepEqual(said.map(({ x }) => x), [1, 2]);
  mock.timers.reset();
});

test("a point that is left for a moment and found again is told once", () => {
  const { said, rest } = rests();
  rest(hovered(3));
  mock.timers.tick(150);
  rest(undefined);
  mock.timers.tick(50);
  rest(hovered(3));
  mock.timers.tick(150);
  assert.equal(said.length, 1);
  mock.timers.reset();
});
