import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { show, typing } from "../../latentfx_nb/widgets/dial.js";
import { Knob } from "../../latentfx_nb/widgets/knob.js";
import { Model } from "./model.js";
import { Element } from "./page.js";

const HPF = {
  value: 2000, low: 50, high: 10_000, start: 2000, log: true, unit: "Hz", words: "cutoff frequency",
  disabled: false, ticks: [], size: "large",
};

beforeEach(() => {
  globalThis.document = { activeElement: undefined };
  globalThis.requestAnimationFrame = (callback) => callback();
});

/** Return a dial's model, its parts as far as they are painted, and how to press a key in its text. */
function dial(values = HPF) {
  const model = new Model(values);
  const names = ["root", "knob", "words", "value", "start", "sweep", "midi", "says"];
  const parts = Object.fromEntries(names.map((name) => [name, new Element()]));
  const drawn = {};
  parts.svg = { querySelector: (name) => (drawn[name] ??= new Element()) };
  parts.value.select = () => (parts.value.selected = parts.value.value);
  const knob = new Knob(model);
  const redraw = () => show(parts, knob, model);
  typing(parts, knob, redraw);
  model.on("change:value", redraw);
  redraw();
  const press = (key) => parts.value.onkeydown({ key, stopPropagation() {} });
  return { model, parts, press };
}

/** Type a text into a dial: it takes the focus, and keeps it. */
function type({ parts, press }, text) {
  globalThis.document.activeElement = parts.value;
  parts.value.onfocus();
  parts.value.value = text;
  press("Enter");
}

function leave({ parts }) {
  globalThis.document.activeElement = undefined;
  parts.value.onblur();
}

test("it is named and says its value as one speaks", () => {
  const { parts } = dial();
  assert.equal(parts.knob.ariaLabel, "cutoff frequency");
  const { ariaValueMin, ariaValueNow, ariaValueMax } = parts.knob;
  assert.deepEqual([ariaValueMin, ariaValueNow, ariaValueMax], [50, 2000, 10_000]);
  assert.equal(parts.knob.ariaValueText, "2.00 kilohertz");
  assert.deepEqual([parts.value.value, parts.start.textContent], ["2.00 kHz", "↺ 2 kHz"]);
});

test("all digits are there to be edited, and what is typed is taken with Enter or by leaving", () => {
  const one = dial({ ...HPF, value: 1234.56 });
  assert.equal(one.parts.value.value, "1.23 kHz");
  type(one, "1.5k");
  assert.equal(one.parts.value.selected, "1500 Hz");
  assert.equal(one.model.get("value"), 1500);
  one.parts.value.value = "440";
  leave(one);
  assert.deepEqual([one.model.get("value"), one.parts.value.value], [440, "440 Hz"]);
});

test("nonsense is refused: a sentence with the range, a shake, and the old value stays", () => {
  const one = dial();
  type(one, "loud");
  assert.deepEqual([one.model.get("value"), one.model.saved], [2000, 0]);
  assert.equal(one.parts.says.textContent, "“loud” is no number: type 50 Hz to 10 kHz.");
  assert.deepEqual([one.parts.value.ariaInvalid, one.parts.root.dataset.refused], [true, "true"]);
});

test("Escape brings the old value back, and so does leaving what was refused", () => {
  const one = dial();
  type(one, "20k");
  one.press("Escape");
  assert.deepEqual([one.parts.value.value, one.parts.says.textContent], ["2000 Hz", ""]);
  type(one, "20k");
  one.parts.value.ariaInvalid = "true"; // as a browser keeps it
  leave(one);
  assert.deepEqual([one.parts.value.value, one.parts.says.textContent], ["2.00 kHz", ""]);
  assert.equal(one.model.get("value"), 2000);
});

test("a dial that is disabled cannot be reached or typed into", () => {
  const { parts } = dial({ ...HPF, disabled: true });
  assert.deepEqual([parts.knob.tabIndex, parts.knob.ariaDisabled, parts.value.disabled], [-1, true, true]);
});
