import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { registerClock } from "../../latentfx_nb/widgets/clock.js";
import { followSound, frameAt, placesAt } from "../../latentfx_nb/widgets/markers.js";
import { Model } from "./model.js";

const PLAYER = "player";

/** Return a track of two markers and three frames, whose places are marker, frame and axis as digits. */
function track(axes = 3) {
  const places = [];
  for (const marker of [1, 2]) {
    for (const frame of [1, 2, 3]) {
      for (let axis = 1; axis <= axes; axis++) places.push(100 * marker + 10 * frame + axis);
    }
  }
  const points = new DataView(Float32Array.from(places).buffer);
  const drawn = { figure: "figure", trace: 4, player: PLAYER };
  return { ...drawn, shape: [2, 3, axes], points, first_s: 0.05, step_s: 0.1 };
}

test("the frame is the nearest in time, and the first or last outside", () => {
  assert.deepEqual([-1, 0, 0.09, 0.11, 0.26, 9].map((at_s) => frameAt(track(), at_s)), [0, 0, 0, 1, 2, 2]);
});

test("each axis has a number a marker", () => {
  assert.deepEqual(placesAt(track(), 1), { x: [121, 221], y: [122, 222], z: [123, 223] });
  assert.deepEqual(placesAt(track(2), 0), { x: [111, 211], y: [112, 212] });
});

const endings = [];
afterEach(() => endings.splice(0).forEach((end) => end()));

/** Return a bridge's model whose page has one figure, and the list of restyles that figure got. */
function page(values) {
  globalThis.requestAnimationFrame = (callback) => setImmediate(callback);
  const restyles = [];
  const figure = { get: () => 7, set_state: (state) => restyles.push(state._py2js_restyle) };
  const model = new Model(values);
  model.widget_manager = { get_model: async () => figure };
  return { model, restyles };
}

function clockAt(position_s, playing = false) {
  const clock = { events: new EventTarget(), heard: () => position_s, playing: () => playing };
  endings.push(registerClock(PLAYER, clock));
  return clock;
}

const painted = () => new Promise((done) => setTimeout(done, 20));

test("markers are set where the sound of the player is", async () => {
  clockAt(0.26);
  const { model, restyles } = page({ _track: track() });
  endings.push(followSound(model));
  await painted();
  const restyle_data = { x: [[131, 231]], y: [[132, 232]], z: [[133, 233]] };
  assert.deepEqual(restyles, [{ restyle_data, restyle_traces: [4], trace_edit_id: 7, layout_edit_id: 7 }]);
});

test("a player that comes later, and a new track, are followed too", async () => {
  const { model, restyles } = page({ _track: {} });
  endings.push(followSound(model));
  model.set("_track", track());
  await painted();
  assert.equal(restyles.length, 0);
  clockAt(0);
  await painted();
  assert.equal(restyles.length, 1);
});

test("what stands still is drawn once, and again where the sound is moved", async () => {
  const clock = clockAt(0);
  const { model, restyles } = page({ _track: track() });
  endings.push(followSound(model));
  await painted();
  clock.events.dispatchEvent(new Event("change"));
  await painted();
  assert.equal(restyles.length, 1);
  clock.heard = () => 0.16;
  clock.events.dispatchEvent(new Event("change"));
  await painted();
  assert.deepEqual(restyles[1].restyle_data.x, [[121, 221]]);
});

test("while it plays, markers move without being told to, and stop with the page", async () => {
  const clock = clockAt(0, true);
  const { model, restyles } = page({ _track: track() });
  const end = followSound(model);
  await painted();
  clock.heard = () => 0.16;
  await painted();
  assert.equal(restyles.length, 2);
  end();
  clock.heard = () => 0.05;
  await painted();
  assert.equal(restyles.length, 2);
});
