import assert from "node:assert/strict";
import { test } from "node:test";

import { ariaSort, parsed, pressed, sorted } from "../../latentfx_nb/widgets/sorting.js";

const COLUMNS = [
  { name: "straight", better: "more" },
  { name: "turns", better: "less" },
];
const ROWS = [
  { name: "a", values: { straight: 0.5, turns: 3 } },
  { name: "b", values: { straight: null, turns: 1 } },
  { name: "c", values: { straight: 0.9, turns: null } },
  { name: "d", values: { straight: 0.5, turns: 2 } },
];
const names = (sorting) => sorted(ROWS, COLUMNS, sorting).map(({ name }) => name).join("");

test("the best comes first, whichever way is better, and what is unknown last", () => {
  assert.equal(names("straight"), "cadb");
  assert.equal(names("turns"), "bdac");
});

test("the other way round, what is unknown still comes last, and equals keep their order", () => {
  assert.equal(names("-straight"), "adcb");
  assert.equal(names("-turns"), "adbc");
});

test("a column that is not there leaves the order, and no sorting changes the rows themselves", () => {
  assert.equal(names("none"), "abcd");
  names("turns");
  assert.equal(ROWS.map(({ name }) => name).join(""), "abcd");
});

test("a press sorts by a column, a second one turns it round, a third one back", () => {
  assert.equal(pressed("turns", "straight"), "straight");
  assert.equal(pressed("straight", "straight"), "-straight");
  assert.equal(pressed("-straight", "straight"), "straight");
});

test("assistive technology is told which way the numbers run", () => {
  const [straight, turns] = COLUMNS;
  assert.equal(ariaSort("straight", straight), "descending");
  assert.equal(ariaSort("-straight", straight), "ascending");
  assert.equal(ariaSort("turns", turns), "ascending");
  assert.equal(ariaSort("-turns", turns), "descending");
  assert.equal(ariaSort("turns", straight), "none");
  assert.deepEqual(parsed("-turns"), { name: "turns", reversed: true });
});
