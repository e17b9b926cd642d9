import assert from "node:assert/strict";
import { test } from "node:test";

import picker from "../../latentfx_nb/widgets/picker.js";
import { canChoose, counts, entriesOf, matching, moved, pressed, summary, withAll, withNone }
  from "../../latentfx_nb/widgets/picks.js";
import { placeOf } from "../../latentfx_nb/widgets/popover.js";
import { Model } from "./model.js";

const CLIPS = [["gtr_00_a", "guitar · strum · B dorian", ""], ["gtr_01_a", "guitar · solo · E major", ""],
  ["pno_00_a", "piano · E major", ""], ["pno_01_a", "piano", "Not ready: it could not be read"]];
const entries = entriesOf(new Model({ _entries: CLIPS }));
const numbers = (found) => found.map(({ number }) => number);
const ticks = { several: true, most: 0 };

test("every word that is searched for occurs in the label or in the second line, in either case", () => {
  assert.deepEqual(numbers(matching(entries, "")), [0, 1, 2, 3]);
  assert.deepEqual(numbers(matching(entries, "GTR")), [0, 1]);
  assert.deepEqual(numbers(matching(entries, "major piano")), [2]);
  assert.deepEqual(numbers(matching(entries, "drum")), []);
});

test("a press ticks and a second press unticks, with no other key held", () => {
  const one = pressed(entries[2], [0], ticks);
  assert.deepEqual(one, [0, 2]);
  assert.deepEqual(pressed(entries[0], one, ticks), [2]);
});

test("of a single choice a press takes the place of the one before", () => {
  assert.deepEqual(pressed(entries[1], [0], { several: false, most: 0 }), [1]);
});

test("what is not ready cannot be ticked, and a tick that it has can be taken away", () => {
  assert.deepEqual(pressed(entries[3], [0], ticks), [0]);
  assert.deepEqual(pressed(entries[3], [0, 3], ticks), [0]);
});

test("no more than so many are ticked, and the list says so", () => {
  const two = { several: true, most: 2 };
  assert.deepEqual(pressed(entries[2], [0, 1], two), [0, 1]);
  assert.equal(canChoose(entries[2], [0, 1], two), false);
  assert.equal(canChoose(entries[1], [0, 1], two), true);
  assert.equal(counts(entries, [0], two), "1 of 4, 2 at most");
  assert.equal(counts(entries, [0, 1], two), "2 of 4: 2 at most, untick one first");
});

test("all and none are those that are shown, and what cannot be ticked stays as it is", () => {
  assert.deepEqual(withAll(entries, [], ticks), [0, 1, 2]);
  assert.deepEqual(withAll(matching(entries, "gtr"), [2], ticks), [0, 1, 2]);
  assert.deepEqual(withAll(entries, [], { several: true, most: 2 }), [0, 1]);
  assert.deepEqual(withNone(matching(entries, "gtr"), [0, 1, 2]), [2]);
});

test("the button names the one that is chosen, or counts them", () => {
  assert.equal(summary(entries, [1], false), "gtr_01_a");
  assert.equal(summary(entries, [1], true), "gtr_01_a");
  assert.equal(summary(entries, [0, 1], true), "2 of 4");
  assert.equal(summary(entries, [0, 1, 2, 3], true), "all 4");
  assert.equal(summary(entries, [], true), "none");
});

test("arrows stay inside the list, and other keys lead nowhere", () => {
  assert.equal(moved("ArrowDown", -1, 4), 0);
  assert.equal(moved("ArrowDown", 3, 4), 3);
  assert.equal(moved("ArrowUp", -1, 4), 3);
  assert.equal(moved("PageUp", 3, 4), 0);
  assert.equal(moved("a", 1, 4), null);
});

test("the list stands over the stage, beside the rail, inside the panel", () => {
  const room = { left: 0, top: 44, right: 1440, bottom: 900 };
  const size = { width: 320, height: 420 };
  const button = { left: 92, right: 252, top: 200, bottom: 228 };
  assert.deepEqual(placeOf(button, size, room, true), { left: 268, top: 148 });
  const low = placeOf({ ...button, top: 860, bottom: 888 }, size, room, true);
  assert.equal(low.top + 44 + size.height, 892);
  const right = placeOf({ ...button, left: 1300, right: 1400 }, size, room, false);
  assert.equal(right.left + size.width, 1432);
});

test("a picker tells that it hears, and what it shows as chosen", () => {
  const model = new Model({ _chosen: [2] });
  picker.initialize({ model });
  assert.deepEqual(model.sent, [{ kind: "ready", chosen: [2] }]);
});
