// The sounds of a player while they play: all sides run at once, each behind a gain of its own, and one gain
// is over all, so that a choice of side, a start and an end are fades and never gaps.
import { elapsed, wrap } from "./clock.js";
import { SIDES } from "./sounds.js";

const FADE_S = 0.0025; // a time constant: 95 % of a crossfade in 7.5 ms

/** Let the gain of a node go to `value` from `when_s` on, without a click. */
export function glide(node, value, when_s) {
  node.gain.setTargetAtTime(value, when_s, FADE_S);
}

/** Plays `sounds` into `output` from the position `from_s`, beginning at `when_s` of the context's clock. */
export class Voice {
  constructor(context, output, { sounds, listening, loop, from_s, when_s }) {
    Object.assign(this, { context, loop, from_s, when_s, gains: {}, sources: {} });
    this.bus = new GainNode(context, { gain: 0 });
    this.bus.connect(output);
    for (const side of SIDES) {
      this.gains[side] = new GainNode(context, { gain: Number(side === listening) });
      this.sources[side] = new AudioBufferSourceNode(context, { buffer: sounds[side].buffer, loop });
      this.sources[side].connect(this.gains[side]).connect(this.bus);
      this.sources[side].start(when_s, from_s);
    }
    glide(this.bus, 1, when_s);
  }

  /** Call `callback` when the sound has come to its end, or was ended. */
  onEnd(callback) {
    this.sources.dry.onended = callback;
  }

  /** Return the position in sounds of `length_s`. */
  position(length_s) {
    return wrap(elapsed(this.from_s, this.when_s, this.context.currentTime), length_s, this.loop);
  }

  /** Let this side be heard, and the others not. */
  listen(listening) {
    for (const side of SIDES) glide(this.gains[side], Number(side === listening), this.context.currentTime);
  }

  /** Fade out from `when_s` on, and stop. */
  end(when_s = this.context.currentTime) {
    glide(this.bus, 0, when_s);
    for (const side of SIDES) this.sources[side].stop(when_s + 8 * FADE_S);
  }
}
