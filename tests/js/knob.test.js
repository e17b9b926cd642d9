import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Knob, turnable } from "../../latentfx_nb/widgets/knob.js";
import { Model } from "./model.js";
import { Element, fire } from "./page.js";

const HPF = { value: 2000, low: 50, high: 10_000, start: 2000, log: true, unit: "Hz", disabled: false };
const CMP = { value: -50, low: -60, high: 0, start: -50, log: false, unit: "dB", disabled: false };

beforeEach(() => (globalThis.document = { activeElement: undefined }));

function dial(values) {
  const model = new Model(values);
  const [knob, element] = [new Knob(model), new Element()];
  turnable(element, knob);
  return { model, knob, element };
}

/** Drag from y = 100 along `places`, a list of [y, Shift]. */
function drag(element, places) {
  fire(element, "pointerdown", { button: 0, clientY: 100, pointerId: 1 });
  for (const [clientY, shiftKey = false] of places) fire(element, "pointermove", { clientY, shiftKey });
}

test("up is more, down is less, the whole scale is 200 px and stops at its ends", () => {
  const { model, element } = dial(CMP);
  drag(element, [[90]]);
  assert.equal(model.get("value"), -47);
  fire(element, "pointermove", { clientY: 95 });
  assert.equal(model.get("value"), -48.5);
  fire(element, "pointermove", { clientY: -1000 });
  assert.equal(model.get("value"), 0);
  fire(element, "pointermove", { clientY: -990 });
  assert.equal(model.get("value"), -3);
  fire(element, "pointerup");
  fire(element, "pointermove", { clientY: 0 });
  assert.equal(model.get("value"), -3);
});

test("with Shift a drag is ten times finer, and what is rounded away is not lost", () => {
  const { model, element } = dial(CMP);
  drag(element, [[90, true]]);
  assert.equal(model.get("value"), -49.7);
  const slow = dial(HPF);
  drag(slow.element, Array.from({ length: 100 }, (_, step) => [100 - step * 0.1, true]));
  assert.ok(Math.abs(slow.model.get("value") / (2000 * 200 ** 0.00495) - 1) < 1e-3);
});

test("a drag of 40 steps ends on the last value, and each is handed to ipywidgets once", () => {
  const { model, element } = dial(HPF);
  drag(element, Array.from({ length: 40 }, (_, step) => [100 - step]));
  assert.ok(Math.abs(model.get("value") / (2000 * 200 ** (39 / 200)) - 1) < 1e-2);
  assert.ok(model.saved <= 40);
});

test("keys turn it: arrows by hundredths, pages by tenths, Home to the start, End to the ends", () => {
  const { model, element } = dial(CMP);
  const after = (key, shiftKey = false) => {
    const event = fire(element, "keydown", { key, shiftKey });
    return [model.get("value"), event.defaultPrevented];
  };
  assert.deepEqual(after("ArrowUp"), [-49.5, true]);
  assert.deepEqual(after("ArrowLeft"), [-50, true]);
  assert.deepEqual(after("ArrowRight", true), [-49.95, true]);
  assert.deepEqual(after("PageUp"), [-45, true]);
  assert.deepEqual(after("PageDown"), [-50, true]);
  assert.deepEqual(after("End"), [0, true]);
  assert.deepEqual(after("End", true), [-60, true]);
  assert.deepEqual(after("Home"), [-50, true]);
  assert.deepEqual(after(" "), [-50, false]); // Space is the player's
  fire(element, "keydown", { key: "ArrowUp", ctrlKey: true });
  assert.equal(model.get("value"), -50);
});

test("the wheel turns it only while it has the focus", () => {
  const { model, element } = dial(CMP);
  const away = fire(element, "wheel", { deltaY: -100, deltaMode: 0 });
  assert.deepEqual([model.get("value"), away.defaultPrevented], [-50, false]);
  element.focus();
  const there = fire(element, "wheel", { deltaY: -100, deltaMode: 0 });
  assert.deepEqual([model.get("value"), there.defaultPrevented], [-48.5, true]);
  fire(element, "wheel", { deltaX: -100, deltaY: 0, deltaMode: 0, shiftKey: true });
  assert.equal(model.get("value"), -48.35);
});

test("a double click brings the start back", () => {
  const { model, element } = dial({ ...HPF, value: 440 });
  fire(element, "dblclick");
  assert.equal(model.get("value"), 2000);
});

test("what is typed is taken as it is, or refused with the old value kept", () => {
  const { model, knob } = dial(HPF);
  assert.equal(knob.type("432.1987654"), "");
  assert.equal(model.get("value"), 432.199);
  assert.equal(knob.type("432.199 Hz"), "");
  assert.match(knob.type("20k"), /out of range: type 50 Hz to 10 kHz/);
  assert.match(knob.type("loud"), /no number/);
  assert.deepEqual([model.get("value"), model.saved], [432.199, 1]);
});

test("whatever turns it by itself is told that a hand has taken it", () => {
  const { knob, element } = dial(HPF);
  let taken = 0;
  knob.hands.add(() => taken++);
  knob.to(300);
  assert.equal(taken, 0);
  fire(element, "pointerdown", { button: 0, clientY: 0, pointerId: 1 });
  fire(element, "keydown", { key: "ArrowUp" });
  assert.equal(taken, 2);
});

test("a disabled knob does not turn", () => {
  const { model, element } = dial({ ...HPF, disabled: true });
  drag(element, [[0]]);
  fire(element, "keydown", { key: "ArrowUp" });
  assert.deepEqual([model.get("value"), element.dataset.held], [2000, undefined]);
});
