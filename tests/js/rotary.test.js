import assert from "node:assert/strict";
import { test } from "node:test";

import { arc, paint, placeOf } from "../../latentfx_nb/widgets/rotary.js";
import { Element } from "./page.js";

test("the middle of the scale is on top, its ends beside the gap at the bottom", () => {
  assert.deepEqual(placeOf(0.5, 48), [64, 16]);
  const [low, high] = [placeOf(0, 48), placeOf(1, 48)];
  assert.ok(low[0] < 64 && high[0] > 64 && low[1] === high[1] && low[1] > 64);
});

test("an arc goes the long way round where it has to, in whichever order its ends are given", () => {
  assert.match(arc(0, 1), / 0 1 1 /);
  assert.match(arc(0, 0.5), / 0 0 1 /);
  assert.equal(arc(0.7, 0.5), arc(0.5, 0.7));
});

test("ticks stand at the ends and at the start, and a scale around zero turns from its middle", () => {
  const parts = {};
  const svg = { querySelector: (name) => (parts[name] ??= new Element()) };
  const scale = { low: -12, high: 12, log: false, unit: "semitones" };
  paint(svg, { value: 6, start: 4, scale });
  assert.deepEqual(parts[".lfx-dial-ticks"].innerHTML.match(/data-kind="\w+"/g), [
    'data-kind="end"', 'data-kind="end"', 'data-kind="start"',
  ]);
  assert.equal(parts[".lfx-dial-arc"].attributes.d, arc(0.5, 0.75));
  const ends = [parts[".lfx-dial-low"], parts[".lfx-dial-high"]];
  assert.deepEqual(ends.map((end) => end.textContent), ["-12 st", "12 st"]);
});
