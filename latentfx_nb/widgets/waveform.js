// The waveform of a sound: its level along its length, as the outline in an SVG that style sheets colour.

const COLUMNS = 480;
const HEIGHT = 64;
const ROOM = 0.96; // of the height, for the highest peak

const known = new WeakMap();

/** Return the highest absolute sample of each of `columns` parts of an AudioBuffer. */
export function peaksOf(buffer, columns = COLUMNS) {
  if (known.has(buffer)) return known.get(buffer);
  const peaks = new Float32Array(columns);
  for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
    const samples = buffer.getChannelData(channel);
    for (let i = 0; i < samples.length; i++) {
      const column = Math.floor((i * columns) / samples.length);
      peaks[column] = Math.max(peaks[column], Math.abs(samples[i]));
    }
  }
  known.set(buffer, peaks);
  return peaks;
}

/** Return the path of an outline, mirrored at the middle: one unit wide a peak, and 64 units high. */
export function outline(peaks, highest) {
  const half = HEIGHT / 2;
  const tall = (peak) => Math.max(0.5, (half * ROOM * peak) / (highest || 1));
  const corners = (sign) =>
    [...peaks].map((peak, column) => `L${column + 0.5} ${(half + sign * tall(peak)).toFixed(1)}`);
  const [above, below] = [corners(-1), corners(1).reverse()];
  return `M0 ${half}${above.join("")}L${peaks.length} ${half}${below.join("")}Z`;
}

/** The empty picture of a waveform: what is heard in front of what it is compared with. */
export const WAVEFORM = `
  <svg class="lfx-waveform" viewBox="0 0 ${COLUMNS} ${HEIGHT}" preserveAspectRatio="none" aria-hidden="true">
    <path class="lfx-behind"/><path class="lfx-front"/>
  </svg>`;

/** Draw what is heard, and behind it what it is compared with, to one scale; either may be missing. */
export function drawWaveform(svg, front, behind) {
  const [first, second] = [front, behind].map((buffer) => buffer && peaksOf(buffer));
  const highest = Math.max(...(first ?? [0]), ...(second ?? [0]));
  const path = (peaks) => (peaks ? outline(peaks, highest) : `M0 31.5H${COLUMNS}V32.5H0Z`);
  svg.querySelector(".lfx-front").setAttribute("d", path(first));
  svg.querySelector(".lfx-behind").setAttribute("d", second ? path(second) : "");
}
