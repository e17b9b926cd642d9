import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { resting } from "../../latentfx_nb/widgets/picking.js";

let said, rest;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  said = [];
  rest = resting((point) => said.push(point));
});

const point = (number) => ({ kind: "point", trace: "paths", number, x: 1, y: 2 });

test("a point that the pointer rests on for 150 ms is told, and once more when it is left", () => {
  rest(point(3));
  mock.timers.tick(149);
  assert.deepEqual(said, []);
  mock.timers.tick(1);
  assert.deepEqual(said, [{ ...point(3), kind: "hover" }]);
  rest(undefined);
  mock.timers.tick(150);
  assert.deepEqual(said.slice(1), [{ kind: "hover", trace: null }]);
});

test("points that the pointer only passes over are not told", () => {
  for (const number of [1, 2, 3]) {
    rest(point(number));
    mock.timers.tick(100);
  }
  mock.timers.tick(50);
  assert.deepEqual(said.map(({ number }) => number), [3]);
});

test("each cell of a row is told, though they have one number", () => {
  for (const x of [1, 2]) {
    rest({ ...point(3), x });
    mock.timers.tick(150);
  }
  assert.deepEqual(said.map(({ x }) => x), [1, 2]);
});

test("a point that is left for a moment and found again is told once", () => {
  rest(point(3));
  mock.timers.tick(150);
  rest(undefined);
  mock.timers.tick(50);
  rest(point(3));
  mock.timers.tick(150);
  assert.equal(said.length, 1);
});
