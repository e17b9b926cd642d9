import assert from "node:assert/strict";
import { test } from "node:test";

import { Recording } from "../../latentfx_nb/widgets/record_button.js";

function button() {
  return { dataset: {}, lastChild: {}, style: { setProperty: () => {} } };
}

function refusing() {
  const getUserMedia = async () => {
    throw Object.assign(new Error("no"), { name: "NotAllowedError" });
  };
  const navigator = { mediaDevices: { getUserMedia } };
  Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });
}

test("a recording that is refused is said, and can be tried again", async () => {
  refusing();
  const said = [];
  const one = new Recording(button(), 10, assert.fail, (text) => said.push(text));
  assert.equal(one.button.ariaLabel, "Record");
  await one.start();
  assert.deepEqual(said, ["", "The microphone was refused: allow it in the address bar."]);
  assert.equal(one.running, null);
  assert.equal(one.button.dataset.state, "idle");
});

test("what was recorded is handed over once, as a WAV file", async () => {
  const files = [];
  const one = new Recording(button(), 10, (file) => files.push(file), assert.fail);
  one.running = Promise.resolve(() => [new Float32Array(10)]);
  await Promise.all([one.finish(), one.finish()]);
  assert.deepEqual(files.map(({ name, size }) => [name, size]), [["recording 1.wav", 64]]);
  assert.equal((await files[0].arrayBuffer()).byteLength, 64);
});

test("nothing is handed over if nothing came", async () => {
  const one = new Recording(button(), 10, assert.fail, assert.fail);
  one.running = Promise.resolve(() => []);
  await one.finish();
  assert.equal(one.button.dataset.state, "idle");
});

test("minutes and seconds are shown", () => {
  const one = new Recording(button(), 10, assert.fail, assert.fail);
  one.tell(0.5, 65.4);
  assert.equal(one.button.lastChild.textContent, "1:05");
  assert.equal(one.button.ariaLabel, "Stop recording");
});
