import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Knob } from "../../latentfx_nb/widgets/knob.js";
import { sweep, sweepAt } from "../../latentfx_nb/widgets/sweep.js";
import { Model } from "./model.js";

const DB = { value: -50, low: -60, high: 0, start: -50, log: false, unit: "dB", disabled: false };
let [now_ms, frames, calm] = [0, [], false];

beforeEach(() => {
  [now_ms, frames, calm] = [0, [], false];
  globalThis.performance.now = () => now_ms;
  globalThis.requestAnimationFrame = (callback) => frames.push(callback);
  globalThis.cancelAnimationFrame = () => (frames = []);
  globalThis.matchMedia = () => ({ matches: calm });
});

function at(ms) {
  now_ms = ms;
  frames.shift()?.();
}

test("it goes from the low end to the high one and back, in steps for who wants less motion", () => {
  assert.deepEqual([0, 3000, 6000, 9000, 12_000].map((ms) => sweepAt(ms)), [0, 0.5, 1, 0.5, undefined]);
  const shares = Array.from({ length: 600 }, (_, step) => sweepAt(10 * step, true));
  assert.equal(new Set(shares).size, 13);
});

test("a knob sweeps, comes back to where it stood, and says that it has ended", () => {
  const model = new Model(DB);
  let ended = 0;
  sweep(new Knob(model), () => ended++);
  const seen = [0, 3000, 6000, 9000].map((ms) => {
    at(ms);
    return model.get("value");
  });
  assert.deepEqual([seen, ended], [[-60, -30, 0, -30], 0]);
  at(12_000);
  assert.deepEqual([model.get("value"), ended, frames.length], [-50, 1, 0]);
});

test("a hand stops the sweep where it is", () => {
  const [model, ended] = [new Model(DB), []];
  const knob = new Knob(model);
  sweep(knob, () => ended.push(model.get("value")));
  at(3000);
  knob.byHand(-20);
  assert.deepEqual([model.get("value"), ended, frames.length, knob.hands.size], [-20, [-30], 0, 0]);
});
