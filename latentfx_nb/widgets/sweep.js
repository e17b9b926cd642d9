// A knob that plays itself: from its low end to its high one and back to where it stood.
import { settingAt } from "./settings.js";

const WAY_MS = 6000; // from one end to the other
const STEPS = 12; // in a way, for who wants less motion

/** Return where a sweep is after `passed_ms`: a share of the scale, or undefined once it is over. */
export function sweepAt(passed_ms, calm = false) {
  const way = passed_ms / WAY_MS;
  if (way >= 2) return undefined;
  const share = way <= 1 ? way : 2 - way;
  return calm ? Math.round(share * STEPS) / STEPS : share;
}

const wantsCalm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Sweep `knob` until it has come back or is taken, then call `ended`; return how to stop it. */
export function sweep(knob, ended) {
  const before = knob.value;
  const begun_ms = performance.now();
  let frame;
  const stop = () => {
    cancelAnimationFrame(frame);
    knob.hands.delete(stop);
    ended();
  };
  const step = () => {
    const share = sweepAt(performance.now() - begun_ms, wantsCalm());
    if (share === undefined) {
      knob.to(before);
      return stop();
    }
    knob.to(settingAt(share, knob.scale));
    frame = requestAnimationFrame(step);
  };
  knob.hands.add(stop);
  step();
  return stop;
}
