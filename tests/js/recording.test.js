import assert from "node:assert/strict";
import { test } from "node:test";

import { canRecord, record, refusal, wavOf } from "../../latentfx_nb/widgets/recording.js";

const BLOCK = 2048;

/** A browser with a microphone; `block(value)` hands over what the audio thread would. */
function install({ refused } = {}) {
  const made = { tracks: [{ stop: () => (made.stopped = true) }], contexts: [] };
  const getUserMedia = async (wishes) => {
    made.wishes = wishes;
    if (refused) throw refused;
    return { getTracks: () => made.tracks };
  };
  const navigator = { mediaDevices: { getUserMedia } };
  Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });
  globalThis.AudioContext = class {
    constructor(options) {
      Object.assign(this, { options, state: "running", destination: {} });
      this.audioWorklet = { addModule: async (address) => (made.module = address) };
      made.contexts.push(this);
    }
    resume() {}
    close() {
      this.state = "closed";
    }
    createMediaStreamSource() {
      return { connect: () => {} };
    }
  };
  globalThis.AudioWorkletNode = class {
    constructor() {
      this.port = {};
      made.block = (value) => this.port.onmessage({ data: new Float32Array(BLOCK).fill(value) });
    }
    connect() {}
  };
  return made;
}

test("a recording is what came, from one channel and with nothing done to it", async () => {
  const [made, told] = [install(), []];
  const stop = await record(10, (level, seconds) => told.push([level, seconds]), assert.fail);
  assert.equal(made.wishes.audio.echoCancellation, false);
  assert.equal(made.contexts[0].options.sampleRate, 48000);
  [0.5, -0.25].forEach(made.block);
  const blocks = stop();
  assert.deepEqual(blocks.map((block) => block[0]), [0.5, -0.25]);
  assert.deepEqual(told, [[0.5, BLOCK / 48000], [0.25, (2 * BLOCK) / 48000]]);
  assert.ok(made.stopped && made.contexts[0].state === "closed", "the microphone is let go");
});

test("a recording ends by itself when it is as long as a file may be", async () => {
  const made = install();
  let full = 0;
  const stop = await record(0.1, () => {}, () => full++);
  for (let i = 0; i < 3; i++) made.block(0.1);
  assert.equal(full, 1);
  assert.equal(stop().length, 2);
});

test("a refusal is said in a sentence", async () => {
  const refused = Object.assign(new Error("Permission denied"), { name: "NotAllowedError" });
  install({ refused });
  await assert.rejects(record(10, assert.fail, assert.fail), refused);
  assert.match(refusal(refused), /was refused: allow it/);
  assert.match(refusal({ name: "NotFoundError" }), /No microphone was found/);
  assert.match(refusal(new Error("in use")), /cannot be used: in use/);
});

test("only a page that came safely may ask for a microphone", () => {
  const mediaDevices = { getUserMedia() {} };
  const safe = { isSecureContext: true, navigator: { mediaDevices }, AudioWorkletNode: class {} };
  assert.equal(canRecord(safe), true);
  assert.equal(canRecord({ ...safe, isSecureContext: false }), false);
  assert.equal(canRecord({ ...safe, navigator: {} }), false);
});

test("a WAV file has its head and its samples, clipped", () => {
  const view = new DataView(wavOf([new Float32Array([0, 0.5]), new Float32Array([2])]));
  const text = (at) => String.fromCharCode(...new Uint8Array(view.buffer, at, 4));
  assert.deepEqual([0, 8, 12, 36].map(text), ["RIFF", "WAVE", "fmt ", "data"]);
  assert.deepEqual([4, 40].map((at) => view.getUint32(at, true)), [42, 6]);
  assert.deepEqual([20, 22, 32, 34].map((at) => view.getUint16(at, true)), [1, 1, 2, 16]);
  assert.deepEqual([24, 28].map((at) => view.getUint32(at, true)), [48000, 96000]);
  assert.deepEqual([...new Int16Array(view.buffer, 44)], [0, 16384, 32767]);
});
