import assert from "node:assert/strict";
import { test } from "node:test";

import { STEPS, markup, remember, remembered, stepOf } from "../../latentfx_nb/widgets/coach.js";

/** What a browser keeps for a site. */
class Storage {
  kept = new Map();

  getItem(key) {
    return this.kept.get(key) ?? null;
  }

  setItem(key, value) {
    this.kept.set(key, value);
  }
}

const barred = {
  getItem() {
    throw new Error("this site may keep nothing");
  },
  setItem() {
    throw new Error("this site may keep nothing");
  },
};

/** A change of an attribute of an element, which may be a part of the knob. */
function change(attributeName, oldValue, now, knob = false) {
  const closest = () => (knob ? {} : null);
  const target = { getAttribute: (name) => (name === attributeName ? now : null), closest };
  return { attributeName, oldValue, target };
}

test("what was done stays done on the next visit", () => {
  const storage = new Storage();
  remember(storage, new Set(["play", "closed"]));
  assert.deepEqual([...remembered(storage)], ["play", "closed"]);
});

test("a browser that keeps nothing, or something else, starts anew", () => {
  const storage = new Storage();
  assert.equal(remembered(storage).size, 0);
  for (const odd of ["{", "7", "null", '"play"']) {
    storage.kept.set("latentfx-coach", odd);
    assert.equal(remembered(storage).size, 0);
  }
  for (const none of [barred, undefined]) {
    remember(none, new Set(["play"]));
    assert.equal(remembered(none).size, 0);
  }
});

test("a sound that begins is the first step, and one that ends is none", () => {
  assert.equal(stepOf(change("data-playing", "false", "true")), "play");
  assert.equal(stepOf(change("data-playing", "true", "false")), undefined);
});

test("a knob that its visitor turned is the second step, and one that the page set is none", () => {
  assert.equal(stepOf(change("aria-valuenow", "2000", "2100", true), true), "turn");
  assert.equal(stepOf(change("aria-valuenow", "2000", "2100", true), false), undefined);
  assert.equal(stepOf(change("aria-valuenow", "2000", "2000", true), true), undefined);
  assert.equal(stepOf(change("aria-valuenow", null, "2000", true), true), undefined);
  assert.equal(stepOf(change("aria-valuenow", "0", "1", false), true), undefined);
});

test("another side is the third step, and the one that was heard from the start is none", () => {
  assert.equal(stepOf(change("data-listening", "wet", "dry")), "side");
  assert.equal(stepOf(change("data-listening", null, "wet")), undefined);
});

test("steps are ticked off one by one, and the last one says what follows", () => {
  const tick = /data-step="(\w+)" data-done="true"/g;
  const ticked = (done) => [...markup(new Set(done)).matchAll(tick)].map((one) => one[1]);
  assert.deepEqual(ticked([]), []);
  assert.deepEqual(ticked(["turn"]), ["turn"]);
  assert.ok(!markup(new Set(["turn"])).includes("<p>"));
  const names = STEPS.map(({ name }) => name);
  assert.deepEqual(ticked(names), names);
  assert.match(markup(new Set(names)), /<p>That was the whole instrument/);
});
