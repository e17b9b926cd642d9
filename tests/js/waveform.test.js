import assert from "node:assert/strict";
import { test } from "node:test";

import { drawWaveform, outline, peaksOf } from "../../latentfx_nb/widgets/waveform.js";

function buffer(...channels) {
  let reads = 0;
  const getChannelData = (channel) => {
    reads++;
    return Float32Array.from(channels[channel]);
  };
  return { numberOfChannels: channels.length, getChannelData, reads: () => reads };
}

function picture() {
  const paths = { ".lfx-front": {}, ".lfx-behind": {} };
  for (const path of Object.values(paths)) path.setAttribute = (name, value) => (path[name] = value);
  return { paths, querySelector: (selector) => paths[selector] };
}

test("the peaks of a sound are those of its loudest channel, and are looked for once", () => {
  const stereo = buffer([0.5, -0.25, 0, 0.125], [0, 0.75, -1, 0]);
  assert.deepEqual([...peaksOf(stereo, 2)], [0.75, 1]);
  peaksOf(stereo, 2);
  assert.equal(stereo.reads(), 2);
  assert.deepEqual([...peaksOf(buffer([0.5, -0.25, 0, 0.125]), 4)], [0.5, 0.25, 0, 0.125]);
});

test("an outline is mirrored at the middle and the highest peak nearly fills it", () => {
  assert.equal(outline([0.25, 0.5], 0.5), "M0 32L0.5 16.6L1.5 1.3L2 32L1.5 62.7L0.5 47.4Z");
});

test("both sounds are drawn to one scale", () => {
  const { paths, querySelector } = picture();
  drawWaveform({ querySelector }, buffer([0.25]), buffer([0.5]));
  assert.match(paths[".lfx-front"].d, /L0\.5 16\.6/);
  assert.match(paths[".lfx-behind"].d, /L0\.5 1\.3/);
});

test("without a sound there is a line", () => {
  const { paths, querySelector } = picture();
  drawWaveform({ querySelector }, undefined, undefined);
  assert.match(paths[".lfx-front"].d, /^M0 31\.5H/);
  assert.equal(paths[".lfx-behind"].d, "");
});
