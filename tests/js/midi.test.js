import assert from "node:assert/strict";
import { test } from "node:test";

import { Knob } from "../../latentfx_nb/widgets/knob.js";
import { controlOf, hasMidi, learn } from "../../latentfx_nb/widgets/midi.js";
import { Model } from "./model.js";

Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });

const DB = { value: -50, low: -60, high: 0, start: -50, log: false, unit: "dB", disabled: false };

/** Give the browser MIDI with one device, and return what turns its controls. */
function midi() {
  const input = {};
  const access = { inputs: new Map([["one", input]]) };
  navigator.requestMIDIAccess = async () => access;
  return { access, input, turn: (...data) => input.onmidimessage?.({ data }) };
}

test("only a control change is a control", () => {
  assert.deepEqual(controlOf([0xb2, 7, 127]), { control: "3.7", share: 1 });
  assert.equal(controlOf([0x90, 60, 100]), undefined);
});

test("the first control that is moved turns the knob, others do not, until it is ended", async () => {
  assert.equal(hasMidi(), false);
  const { access, input, turn } = midi();
  assert.equal(hasMidi(), true);
  const [model, said] = [new Model(DB), []];
  const end = await learn(new Knob(model), (text) => said.push(text));
  turn(0x90, 60, 127);
  turn(0xb0, 7, 127);
  turn(0xb0, 8, 0);
  assert.equal(model.get("value"), 0);
  turn(0xb0, 7, 0);
  assert.equal(model.get("value"), -60);
  assert.deepEqual(said, ["Move a control of the device.", "MIDI control 7 turns this knob."]);
  end();
  assert.deepEqual([input.onmidimessage, access.onstatechange], [null, null]);
});
