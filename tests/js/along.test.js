import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { followKnob, neighbours, placesAlong } from "../../latentfx_nb/widgets/along.js";
import { Model, settled } from "./model.js";

const HPF = "HPF.cutoff_frequency_hz";

/** Return prepared paths of two markers at three values, whose places are marker, step and axis as digits. */
function along(axes = 3) {
  const places = [];
  for (const marker of [1, 2]) {
    for (const step of [1, 2, 3]) {
      for (let axis = 1; axis <= axes; axis++) places.push(100 * marker + 10 * step + axis);
    }
  }
  const points = new DataView(Float32Array.from(places).buffer);
  const drawn = { dial: "dial", knob: HPF, figure: "figure", trace: 4 };
  return { ...drawn, shape: [2, 3, axes], points, values: [100, 200, 400], log: false };
}

const endings = [];
afterEach(() => endings.splice(0).forEach((end) => end()));

/** Return a bridge's model, the dial of its page, the restyles its figure got, and what was said. */
async function page(values = { _along: along(), _standing: {} }) {
  const frames = [];
  globalThis.requestAnimationFrame = (callback) => frames.push(callback);
  const [restyles, said] = [[], []];
  const figure = { get: () => 7, set_state: (state) => restyles.push(state._py2js_restyle) };
  const dial = new Model({ value: 100, knob: HPF });
  const model = new Model(values);
  model.widget_manager = { get_model: async (id) => ({ figure, dial })[id] };
  endings.push(followKnob(model, (words) => said.push(words)));
  await settled();
  const painted = async () => {
    frames.splice(0).forEach((frame) => frame());
    await settled();
  };
  return { model, dial, restyles, said, painted };
}

test("a value lies between its neighbours, by ratio or by difference, and never beyond the ends", () => {
  const values = [100, 200, 400];
  assert.deepEqual([100, 150, 200, 300, 400].map((value) => neighbours(values, value, false)), [
    [0, 0], [0, 0.5], [0, 1], [1, 0.5], [1, 1],
  ]);
  const [below, part] = neighbours(values, Math.sqrt(200 * 400), true);
  assert.ok(below === 1 && Math.abs(part - 0.5) < 1e-12);
  assert.deepEqual([50, 9000].map((value) => neighbours(values, value, true)), [[0, 0], [2, 0]]);
});

test("each axis has a number a marker, on the line between the prepared places", () => {
  assert.deepEqual(placesAlong(along(), 150), { x: [116, 216], y: [117, 217], z: [118, 218] });
  assert.deepEqual(placesAlong(along(2), 400), { x: [131, 231], y: [132, 232] });
  assert.deepEqual(placesAlong(along(2), 5000), { x: [131, 231], y: [132, 232] });
});

test("a turn moves the markers once a painting, and Python is not asked", async () => {
  const { model, dial, restyles, said, painted } = await page();
  for (const value of [110, 130, 150]) dial.set("value", value);
  await painted();
  const restyle_data = { x: [[116, 216]], y: [[117, 217]], z: [[118, 218]] };
  assert.deepEqual(restyles, [{ restyle_data, restyle_traces: [4], trace_edit_id: 7, layout_edit_id: 7 }]);
  assert.deepEqual([model.sent, model.saved, dial.saved, said.at(-1)], [[], 0, 0, "prepared path"]);
  dial.set("value", 300);
  await painted();
  assert.deepEqual(restyles[1].restyle_data.x, [[126, 226]]);
});

test("what Python has computed is said to be exact, and stays where it is", async () => {
  const { model, dial, restyles, said, painted } = await page();
  dial.set("value", 150);
  await painted();
  model.set("_standing", { value: 150, exact: false, number: 1 });
  assert.equal(said.at(-1), "prepared path");
  model.set("_standing", { value: 150, exact: true, number: 2 });
  await painted();
  assert.deepEqual([said.at(-1), restyles.length], ["exact", 1]);
});

test("what is exact for a setting that the hand has left gives way to where the knob stands", async () => {
  const { model, dial, restyles, said, painted } = await page();
  dial.set("value", 150);
  dial.set("value", 300);
  await painted();
  model.set("_standing", { value: 150, exact: true, number: 1 });
  await painted();
  assert.deepEqual([said.at(-1), restyles.length], ["prepared path", 2]);
  assert.deepEqual(restyles[1].restyle_data.x, [[126, 226]]);
});

test("once the dial is another knob, nothing moves until paths of that one come", async () => {
  const { model, dial, restyles, painted } = await page();
  dial.set("knob", "DIS.drive_db");
  dial.set("value", 25);
  await painted();
  assert.equal(restyles.length, 0);
  model.set("_along", { ...along(), knob: "DIS.drive_db", values: [0, 20, 40], log: false });
  await settled();
  dial.set("value", 30);
  await painted();
  assert.deepEqual(restyles.map((one) => one.restyle_data.x), [[[126, 226]]]);
});

test("a page without a dial only says what stands, and a page that is left does nothing", async () => {
  const { model, said } = await page({ _along: {}, _standing: { value: 5, exact: true, number: 1 } });
  assert.deepEqual(said, ["exact"]);
  endings.splice(0).forEach((end) => end());
  model.set("_standing", { value: 6, exact: false, number: 2 });
  assert.deepEqual(said, ["exact"]);
});
