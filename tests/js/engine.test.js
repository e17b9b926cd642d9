import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { Engine } from "../../latentfx_nb/widgets/engine.js";
import { adler32 } from "../../latentfx_nb/widgets/sounds.js";
import { FakeContext, installAudio, nothing, sound } from "./audio.js";
import { Model, settled } from "./model.js";

const LEAD_S = 0.01;
const SIDES = ["dry", "wet", "decoded", "algebra"];
let engine, model;

async function open(values = {}) {
  const own = { dry: sound(3), wet: sound(3, 1), decoded: nothing, algebra: nothing, _offered_s: 0 };
  model = new Model({ ...own, listening: "wet", volume: 0.8, loop: true, playing: true, ...values });
  engine = new Engine(model);
  await settled();
}

const context = () => FakeContext.opened[0];
const now = (time_s) => (context().currentTime = time_s);
const lastVoice = () => context().sources.slice(-SIDES.length);
const near = (found, expected) => assert.ok(Math.abs(found - expected) < 1e-9, `${found} is not ${expected}`);

beforeEach(installAudio);
afterEach(() => engine.close());

test("a page that opens is silent, whatever the model says", async () => {
  await open();
  assert.equal(model.get("playing"), false);
  assert.equal(FakeContext.opened.length, 0);
  assert.equal(engine.duration(), 3);
});

test("all sides start at once from one position, and only the chosen one is heard", async () => {
  await open();
  model.set("playing", true);
  assert.deepEqual(lastVoice().map((source) => source.started), SIDES.map(() => [100 + LEAD_S, 0]));
  assert.deepEqual(lastVoice().map((source) => source.to.gain.value), [0, 1, 0, 0]);
  assert.equal(new Set(lastVoice().map((source) => source.to.to)).size, 1);
});

test("A/B glides between gains and starts nothing anew", async () => {
  await open();
  model.set("playing", true);
  now(101);
  model.set("listening", "dry");
  const gains = lastVoice().map((source) => source.to.glides.at(-1));
  assert.deepEqual(gains, [[1, 101], [0, 101], [0, 101], [0, 101]]);
  assert.equal(context().sources.length, SIDES.length);
  near(engine.position(), 1 - LEAD_S);
});

test("the position runs with the audio clock, and begins anew in a loop", async () => {
  await open();
  model.set("playing", true);
  now(100 + LEAD_S + 2.5);
  near(engine.position(), 2.5);
  now(100 + LEAD_S + 3.25);
  near(engine.position(), 0.25);
});

test("what is heard lags by the latency of the output and can be asked for ahead", async () => {
  await open();
  model.set("playing", true);
  now(100 + LEAD_S + 1);
  context().outputLatency = 0.2;
  near(engine.heard(0), 0.8);
  near(engine.heard(0.3), 1.1);
  now(100 + LEAD_S);
  assert.equal(engine.heard(0), 0);
});

test("new sounds go on from the same position, and those that stay are not decoded again", async () => {
  await open();
  model.set("playing", true);
  const dry = engine.sounds.dry;
  now(101);
  model.set("wet", sound(3, 7));
  await settled();
  assert.equal(engine.sounds.dry, dry);
  const [when_s, from_s] = lastVoice()[0].started;
  near(when_s, 101 + LEAD_S);
  near(from_s, 1); // where the old voice is by then: it ends as the new one begins
  assert.ok(context().sources.slice(0, SIDES.length).every((source) => source.stopped > when_s));
});

test("a knob that is turned while it plays never stops the clock, jumps back or leaves a gap", async () => {
  await open();
  model.set("playing", true);
  let before_s = engine.position();
  for (let turn = 1; turn <= 40; turn++) {
    const old = lastVoice();
    const arrives_s = context().currentTime + 0.03;
    model.set("wet", sound(3, turn));
    now(arrives_s); // it is decoded while the old one plays
    await settled();
    const [when_s, from_s] = lastVoice()[1].started;
    assert.notEqual(lastVoice()[1], old[1]);
    near(when_s, arrives_s + LEAD_S);
    near(from_s, 0.03 * turn); // the place that the old one has come to by then
    assert.ok(old.every((source) => source.stopped > when_s)); // one fades out while the other fades in
    near(engine.position(), from_s); // until then, the place that it starts from
    now(when_s);
    near(engine.position(), from_s);
    now(arrives_s);
    assert.ok(engine.position() >= before_s);
    before_s = engine.position();
    assert.equal(engine.playing(), true);
    assert.equal(model.get("playing"), true);
  }
  assert.equal(engine.sounds.wet.code, adler32(sound(3, 40)));
});

test("sounds that are decoded are acknowledged, of those that overtake each other the last", async () => {
  await open();
  const codes = (wet) => ({ dry: sound(3), wet, decoded: nothing, algebra: nothing });
  const taken = (wet) => ({
    kind: "taken",
    sounds: Object.fromEntries(Object.entries(codes(wet)).map(([side, bytes]) => [side, adler32(bytes)])),
  });
  assert.deepEqual(model.sent, [taken(sound(3, 1))]);
  model.set("wet", sound(3, 2));
  await null;
  model.set("wet", sound(3, 3));
  await settled();
  assert.deepEqual(model.sent.slice(1), [taken(sound(3, 3))]);
});

test("play that is asked for while sounds are decoded starts the new ones", async () => {
  await open();
  model.set("wet", sound(3, 9));
  model.set("playing", true);
  assert.equal(engine.playing(), false);
  await settled();
  assert.equal(engine.playing(), true);
  assert.equal(lastVoice()[1].buffer, engine.sounds.wet.buffer);
});

test("stopping keeps the position, and playing goes on from there", async () => {
  await open();
  model.set("playing", true);
  now(101.51);
  model.set("playing", false);
  near(engine.position(), 1.5);
  assert.equal(engine.playing(), false);
  model.set("playing", true);
  near(lastVoice()[0].started[1], 1.5);
});

test("without a loop the end stops the player, and play begins anew", async () => {
  await open({ loop: false });
  model.set("playing", true);
  now(103.5);
  lastVoice()[0].onended();
  assert.equal(model.get("playing"), false);
  assert.equal(engine.position(), 3);
  model.set("playing", true);
  assert.equal(lastVoice()[0].started[1], 0);
});

test("an end that comes late, of sounds that were replaced, changes nothing", async () => {
  await open();
  model.set("playing", true);
  const [old] = lastVoice();
  engine.seek(2);
  old.onended();
  assert.equal(engine.playing(), true);
});

test("offered sounds are asked for once play is pressed, and start when they come", async () => {
  await open({ dry: nothing, wet: nothing, _offered_s: 5.5 });
  assert.equal(engine.length(), 5.5);
  model.set("playing", true);
  await settled();
  assert.deepEqual(model.sent, [{ kind: "wanted" }]);
  assert.equal(model.get("playing"), true);
  model.set("dry", sound(5));
  model.set("wet", sound(5, 1));
  await settled();
  assert.equal(engine.playing(), true);
});

test("a sound that cannot be decoded is said and stops the player", async () => {
  await open();
  model.set("playing", true);
  model.set("wet", sound(255));
  await settled();
  assert.equal(engine.problem, "This browser cannot decode the sound: no FLAC");
  assert.equal(model.get("playing"), false);
});

test("Python seeks by a message, not beyond the end", async () => {
  await open();
  model.fire("msg:custom", { kind: "seek", time_s: 9 });
  assert.equal(model.get("time_s"), 3);
  model.fire("msg:custom", { kind: "seek", time_s: 1.23456 });
  assert.equal(model.get("time_s"), 1.235);
});
