// How a knob is drawn: a track with ticks, the part of it that is turned, a body with a hand.
import { brief, shareOf } from "./settings.js";

const MIDDLE = 64;
const RADIUS = 48;
const TURN_DEG = 270; // from one end to the other, the gap at the bottom
const SHAPES = `
  <path class="lfx-dial-track"/><path class="lfx-dial-arc"/><g class="lfx-dial-ticks"></g>
  <circle class="lfx-dial-body" cx="64" cy="64" r="36"/><line class="lfx-dial-hand"/>
  <text class="lfx-dial-low" x="22" y="122"></text><text class="lfx-dial-high" x="106" y="122"></text>`;

/** Return the place of a share of the scale at a distance from the middle, to a hundredth. */
export function placeOf(share, radius) {
  const angle = ((share * TURN_DEG - TURN_DEG / 2) * Math.PI) / 180;
  const near = (size) => Math.round(100 * size) / 100;
  return [near(MIDDLE + radius * Math.sin(angle)), near(MIDDLE - radius * Math.cos(angle))];
}

/** Return the path of an arc between two shares of the scale. */
export function arc(from, to) {
  const [low, high] = [Math.min(from, to), Math.max(from, to)];
  const long = (high - low) * TURN_DEG > 180 ? 1 : 0;
  return `M${placeOf(low, RADIUS)}A${RADIUS},${RADIUS} 0 ${long} 1 ${placeOf(high, RADIUS)}`;
}

function line(share, inner, outer, kind) {
  const [[x1, y1], [x2, y2]] = [placeOf(share, inner), placeOf(share, outer)];
  return `<line class="lfx-dial-tick" data-kind="${kind}" x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}"/>`;
}

/** Return the picture of a knob; `paint` draws how it stands. */
export function rotary() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 128 128");
  svg.setAttribute("aria-hidden", "true");
  svg.innerHTML = SHAPES;
  return svg;
}

/** Draw how a knob stands: `value` on its `scale`, with ticks at its ends, at `start` and at `ticks`. */
export function paint(svg, { value, start, scale, ticks = [] }) {
  const find = (name) => svg.querySelector(`.lfx-dial-${name}`);
  const at = shareOf(value, scale);
  const zero = scale.low < 0 && scale.high > 0 ? shareOf(0, scale) : 0; // from the middle, if it has one
  find("track").setAttribute("d", arc(0, 1));
  find("arc").setAttribute("d", arc(zero, at));
  const [[x1, y1], [x2, y2]] = [placeOf(at, 14), placeOf(at, 33)];
  for (const [name, size] of Object.entries({ x1, y1, x2, y2 })) find("hand").setAttribute(name, size);
  const further = ticks.map(([one]) => line(shareOf(one, scale), 54, 58, "further"));
  const ends = [0, 1].map((share) => line(share, 54, 60, "end"));
  find("ticks").innerHTML = [...ends, ...further, line(shareOf(start, scale), 53, 62, "start")].join("");
  find("low").textContent = brief(scale.low, scale.unit);
  find("high").textContent = brief(scale.high, scale.unit);
}
