import assert from "node:assert/strict";
import { test } from "node:test";

import { clockOf, elapsed, onNewClock, registerClock, wrap } from "../../latentfx_nb/widgets/clock.js";

test("a position beyond the end begins anew in a loop and stays at the end without one", () => {
  assert.equal(wrap(3.5, 3, true), 0.5);
  assert.equal(wrap(3.5, 3, false), 3);
  assert.equal(wrap(1.25, 3, true), 1.25);
});

test("without a sound the position is 0, in a loop too", () => {
  assert.equal(wrap(1, 0, true), 0);
  assert.equal(wrap(1, 0, false), 0);
});

test("a sound that is still to start stands where it will start from", () => {
  assert.equal(elapsed(2, 10.01, 10), 2);
  assert.equal(elapsed(2, 10, 10.5), 2.5);
});

test("a clock is found by its player's address until it is taken back", () => {
  const clock = { heard: () => 1 };
  const withdraw = registerClock("one", clock);
  assert.equal(clockOf("one"), clock);
  assert.equal(clockOf("other"), undefined);
  withdraw();
  assert.equal(clockOf("one"), undefined);
});

test("a clock that took the place of another is not taken back with it", () => {
  const withdrawFirst = registerClock("one", {});
  const second = {};
  const withdrawSecond = registerClock("one", second);
  withdrawFirst();
  assert.equal(clockOf("one"), second);
  withdrawSecond();
});

test("each new clock is told of, until nobody asks any more", () => {
  let told = 0;
  const stop = onNewClock(() => told++);
  registerClock("one", {})();
  assert.equal(told, 1);
  stop();
  registerClock("one", {})();
  assert.equal(told, 1);
});
