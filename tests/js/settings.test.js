import assert from "node:assert/strict";
import { test } from "node:test";

import {
  brief, inFull, inWords, parse, range, settingAt, shareOf, spoken, stepped, valueAt,
} from "../../latentfx_nb/widgets/settings.js";

const HZ = { low: 50, high: 10_000, log: true, unit: "Hz" };
const DB = { low: -60, high: 0, log: false, unit: "dB" };
const DELAY = { low: 0.01, high: 2, log: true, unit: "s" };
const PITCH = { low: -12, high: 12, log: false, unit: "semitones" };
const SHARE = { low: 0, high: 1, log: false, unit: "" };

test("numbers are taken with and without their units", () => {
  const takes = (scale, texts) => texts.map((text) => parse(text, scale).value);
  assert.deepEqual(takes(HZ, ["440", "1.5k", "1.5 kHz", " 1,5K ", "70hz", "1e3", "432.1987654"]), [
    440, 1500, 1500, 1500, 70, 1000, 432.199,
  ]);
  assert.deepEqual(takes(DB, ["-6 dB", "−6", "-6.5db", "0"]), [-6, -6, -6.5, 0]);
  assert.deepEqual(takes(DELAY, ["200 ms", "0.2", ".2 s", "1,25 s"]), [0.2, 0.2, 0.2, 1.25]);
  assert.deepEqual(takes(PITCH, ["+4", "1 oct", "-50 ct", "3 st"]), [4, 12, -0.5, 3]);
  assert.deepEqual(takes(SHARE, ["33 %", "0.5"]), [0.33, 0.5]);
});

test("nonsense and what is out of range are refused with the range, never clamped", () => {
  const problem = (text, scale = HZ) => parse(text, scale).problem;
  for (const text of ["", "loud", "4 4 0 ms", "440 dB", "1.5.2", "--6", "k", "Infinity", "NaN", "0x10"]) {
    assert.match(problem(text), /type 50 Hz to 10 kHz\.$/);
    assert.equal(parse(text, HZ).value, undefined);
  }
  assert.equal(problem("12k"), "12000 Hz is out of range: type 50 Hz to 10 kHz.");
  assert.equal(problem("3", DB), "3 dB is out of range: type -60 dB to 0 dB.");
  assert.match(problem("1,500"), /unclear: leave out the comma/);
});

test("both ends of every scale can be typed", () => {
  for (const scale of [HZ, DB, DELAY, PITCH, SHARE]) {
    for (const end of [scale.low, scale.high]) assert.equal(parse(inFull(end, scale.unit), scale).value, end);
  }
});

test("settings are said with three digits and in the unit in which people say them", () => {
  assert.deepEqual([70, 440, 999.6, 2000, 10_000].map((hz) => inWords(hz, "Hz")), [
    "70.0 Hz", "440 Hz", "1.00 kHz", "2.00 kHz", "10.0 kHz",
  ]);
  assert.deepEqual([0.01, 0.5, 2].map((s) => inWords(s, "s")), ["10.0 ms", "500 ms", "2.00 s"]);
  assert.deepEqual([-6, 0].map((db) => inWords(db, "dB")), ["-6.00 dB", "0 dB"]);
  assert.deepEqual([inWords(0.33, ""), inWords(-6.94, "semitones")], ["0.330", "-6.94 st"]);
  assert.equal(inFull(1234.56, "Hz"), "1234.56 Hz");
  assert.deepEqual([brief(10_000, "Hz"), brief(4, "semitones"), range(SHARE)], ["10 kHz", "4 st", "0 to 1"]);
  const said = [[2000, "Hz"], [0.2, "s"], [-6, "dB"], [4, "semitones"], [1, ""]].map((one) => spoken(...one));
  assert.deepEqual(said, [
    "2.00 kilohertz", "200 milliseconds", "-6.00 decibels", "4.00 semitones", "1.00",
  ]);
});

test("a share of the scale and its value are the same place, in ratios where the knob is logarithmic", () => {
  assert.ok(Math.abs(valueAt(0.5, HZ) - Math.sqrt(50 * 10_000)) < 1e-9);
  assert.equal(valueAt(0.5, DB), -30);
  for (const scale of [HZ, DB, DELAY]) {
    for (const share of [0, 0.3, 1]) {
      assert.ok(Math.abs(shareOf(valueAt(share, scale), scale) - share) < 1e-12);
    }
  }
});

test("a turn gives round numbers, ten times finer ones with Shift, and stops at the ends", () => {
  assert.deepEqual([settingAt(0.5, HZ), settingAt(0.5, HZ, true)], [707, 707.1]);
  assert.deepEqual([settingAt(0.123456, DB), settingAt(0.123456, DB, true)], [-52.6, -52.595]);
  assert.deepEqual([settingAt(-1, HZ), settingAt(2, HZ), settingAt(2, DB)], [50, 10_000, 0]);
  assert.deepEqual([stepped(25, DB, 1), stepped(-25.3, DB, 1), stepped(-25.3, DB, -1)], [0, -25, -25.5]);
  assert.deepEqual([stepped(0.3, SHARE, 10), stepped(4, PITCH, 1)], [0.4, 4.2]);
  assert.equal(stepped(0, PITCH, -1, true), -0.02);
  assert.ok(stepped(50, HZ, 1, true) > 50 && stepped(50, HZ, 1) > stepped(50, HZ, 1, true));
});
