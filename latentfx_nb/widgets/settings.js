// A knob's setting: in words, as it is typed, and as a share of the way from the low end to the high one.
// A `scale` is `{ low, high, log, unit }`, log where equal ratios are equal turns.

// What may follow a typed number, by the knob's unit, and what it is worth there.
const ENDINGS = {
  Hz: { hz: 1, hertz: 1, k: 1e3, khz: 1e3, kilohertz: 1e3 },
  dB: { db: 1, decibel: 1, decibels: 1 },
  s: { s: 1, sec: 1, second: 1, seconds: 1, ms: 1e-3, millisecond: 1e-3, milliseconds: 1e-3 },
  ms: { ms: 1, millisecond: 1, milliseconds: 1, s: 1e3, second: 1e3, seconds: 1e3 },
  semitones: { st: 1, semitone: 1, semitones: 1, oct: 12, octave: 12, octaves: 12, ct: 0.01, cents: 0.01 },
  "": { "%": 0.01, ":1": 1 },
};
const SPOKEN = { Hz: "hertz", kHz: "kilohertz", dB: "decibels", s: "seconds", ms: "milliseconds" };
const NUMBER = /^([+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:e[+-]?\d+)?)(.*)$/i;
const THOUSANDS = /^[+-]?\d{1,3},\d{3}$/; // 1.5 to one reader, 1500 to another

/** Return the number that one would type for `value`: its six significant digits. */
export const typed = (value) => Number(value.toPrecision(6));

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const digits = (value) => {
  if (value === 0) return "0";
  return Math.abs(value) < 999.5 ? value.toPrecision(3) : `${Math.round(value)}`;
};

/** Return a value's digits and the unit in which they are read: 2000 Hz as ["2.00", "kHz"]. */
function read(value, unit) {
  if (unit === "Hz" && Math.abs(value) >= 999.5) return [digits(value / 1000), "kHz"];
  if (unit === "s" && Math.abs(value) < 0.9995 && value !== 0) return [digits(value * 1000), "ms"];
  return [digits(value), unit];
}

const short = (unit) => (unit === "semitones" ? "st" : unit);

/** Return a setting to three digits: "2.00 kHz". */
export function inWords(value, unit) {
  const [number, its] = read(value, unit);
  return `${number} ${short(its)}`.trim();
}

/** Return an end of a scale as briefly as it can be said: "10 kHz". */
export function brief(value, unit) {
  const [number, its] = read(value, unit);
  return `${Number(number)} ${short(its)}`.trim();
}

/** Return a setting as assistive technology is to say it: "2.00 kilohertz". */
export function spoken(value, unit) {
  const [number, its] = read(value, unit);
  return `${number} ${SPOKEN[its] ?? its}`.trim();
}

/** Return a setting with all its digits, as it is edited: "1234.56 Hz". */
export const inFull = (value, unit) => `${typed(value)} ${unit}`.trim();

/** Return the range of a scale in words: "50 Hz to 10 kHz". */
export const range = ({ low, high, unit }) => `${brief(low, unit)} to ${brief(high, unit)}`;

/** Return `{ value }` of what was typed ("440", "1.5k", "-6 dB"), or `{ problem }`: why it is none. */
export function parse(text, scale) {
  const said = text.trim();
  const plain = said.replace("\u2212", "-").replaceAll(/\s/g, "");
  const [, number, ending] = NUMBER.exec(plain) ?? [];
  if (number === undefined) return { problem: `“${said}” is no number: type ${range(scale)}.` };
  if (THOUSANDS.test(number)) return { problem: `“${said}” is unclear: leave out the comma.` };
  const known = { "": 1, ...(ENDINGS[scale.unit] ?? { [scale.unit.toLowerCase()]: 1 }) };
  const worth = known[ending.toLowerCase()];
  if (worth === undefined) return { problem: `“${ending}” is no unit of this knob: type ${range(scale)}.` };
  const value = typed(Number(number.replace(",", ".")) * worth);
  if (value >= scale.low && value <= scale.high) return { value };
  return { problem: `${inFull(value, scale.unit)} is out of range: type ${range(scale)}.` };
}

/** Return how far along its scale a value is, 0 to 1. */
export function shareOf(value, { low, high, log }) {
  return log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
}

/** Return the value at a share of its scale. */
export function valueAt(share, { low, high, log }) {
  return log ? low * (high / low) ** share : low + share * (high - low);
}

/** Return the largest of 1, 2 and 5, times a power of ten, that is not over `size`. */
function nice(size) {
  const ten = 10 ** Math.floor(Math.log10(size) + 1e-9);
  return ten * [5, 2, 1].find((one) => one * ten <= size * (1 + 1e-9));
}

/** Return the setting at a share of a scale, with the digits that a hand can mean, one more if `fine`. */
export function settingAt(share, scale, fine = false) {
  const value = valueAt(clamp(share, 0, 1), scale);
  if (scale.log) return clamp(Number(value.toPrecision(fine ? 4 : 3)), scale.low, scale.high);
  const grid = nice((scale.high - scale.low) / (fine ? 10_000 : 1000));
  return clamp(typed(Math.round(value / grid) * grid), scale.low, scale.high);
}

/** Return the setting `steps` hundredths of the scale on, on round numbers; thousandths if `fine`. */
export function stepped(value, scale, steps, fine = false) {
  if (scale.log) return settingAt(shareOf(value, scale) + (fine ? 0.001 : 0.01) * steps, scale, fine);
  const grid = nice((scale.high - scale.low) / (fine ? 1000 : 100));
  const from = steps > 0 ? Math.floor(value / grid + 1e-6) : Math.ceil(value / grid - 1e-6);
  return clamp(typed((from + steps) * grid), scale.low, scale.high);
}
