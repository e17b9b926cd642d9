import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { adler32, decodeAll } from "../../latentfx_nb/widgets/sounds.js";
import { installAudio, nothing, sound } from "./audio.js";

beforeEach(installAudio);

test("the checksum is zlib's", () => {
  const bytes = new TextEncoder().encode("Wikipedia");
  assert.equal(adler32(new DataView(bytes.buffer)), "11e60398");
  assert.equal(adler32(nothing), "00000001");
});

test("a view of a part of a message decodes that part alone", async () => {
  const part = new DataView(Uint8Array.from([9, 4, 9]).buffer, 1, 1);
  const { sounds, problem } = await decodeAll(() => part, {});
  assert.equal(sounds.dry.buffer.duration, 4);
  assert.equal(problem, "");
});

test("what is known is not decoded again, under another side's name either", async () => {
  const known = { wet: (await decodeAll(() => sound(2), {})).sounds.wet };
  const { sounds } = await decodeAll((side) => (side === "dry" ? sound(2) : sound(3)), known);
  assert.equal(sounds.dry, known.wet);
  assert.equal(sounds.wet.buffer.duration, 3);
});

test("a side without bytes has no sound", async () => {
  const { sounds } = await decodeAll(() => nothing, {});
  assert.equal(sounds.algebra.buffer, undefined);
});
