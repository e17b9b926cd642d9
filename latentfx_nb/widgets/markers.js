// The markers of a figure's trace go where the sound is. They are set in the page's own model of the figure,
// as a message of the kernel's would do, and the next ones wait until these are painted: a slow screen never
// lags behind. While the sound plays, they aim at where it will be in the middle of the time they are seen.
import { restyle } from "./bridge.js";
import { clockOf, onNewClock } from "./clock.js";

const LONGEST_S = 1; // what one painting counts for at the most
const SMOOTHING = 0.3;

/** Return the frame of a track that is heard at `at_s`, the first or last beyond its ends. */
export function frameAt({ shape, first_s, step_s }, at_s) {
  const frame = Math.round((at_s - first_s) / step_s);
  return Math.max(0, Math.min(shape[1] - 1, frame));
}

/** Return the places of a track's markers at a frame: `{ x, y, z }`, of each axis one number a marker. */
export function placesAt({ shape: [markers, frames, axes], points }, frame) {
  const place = (marker, axis) => points.getFloat32(4 * ((marker * frames + frame) * axes + axis), true);
  const along = (axis) => Array.from({ length: markers }, (_, marker) => place(marker, axis));
  return Object.fromEntries(["x", "y", "z"].slice(0, axes).map((name, axis) => [name, along(axis)]));
}

const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));

/** Moves the markers of the track that a `model` names, while it is wanted. */
class Follower {
  constructor(model) {
    Object.assign(this, { model, busy: false, wanted: false, closed: false, shown: {}, took_s: 0 });
  }

  clock() {
    return clockOf(this.model.get("_track").player);
  }

  async move() {
    const track = this.model.get("_track");
    const frame = frameAt(track, this.clock().heard(1.5 * this.took_s));
    if (this.shown.track === track && this.shown.frame === frame) return painted();
    this.shown = { track, frame };
    const figure = await this.model.widget_manager.get_model(track.figure);
    const begun_ms = performance.now();
    restyle(figure, track.trace, placesAt(track, frame));
    await painted();
    const took_s = Math.min(LONGEST_S, (performance.now() - begun_ms) / 1000);
    this.took_s += SMOOTHING * (took_s - this.took_s);
  }

  /** Move the markers now, and for as long as the sound plays. */
  async follow() {
    this.wanted = true;
    if (this.busy) return;
    this.busy = true;
    try {
      while (!this.closed && this.clock() && (this.wanted || this.clock().playing())) {
        this.wanted = false; // what is wanted while it paints comes next
        await this.move();
      }
    } finally {
      this.busy = false;
    }
  }
}

/** Keep the markers of a bridge's track where the sound of its player is; return how to stop that. */
export function followSound(model) {
  const follower = new Follower(model);
  const follow = () => follower.follow();
  let heard;
  const attach = () => {
    heard?.removeEventListener("change", follow);
    heard = follower.clock()?.events;
    heard?.addEventListener("change", follow);
    follow();
  };
  model.on("change:_track", attach);
  const forget = onNewClock(attach);
  attach();
  return () => {
    follower.closed = true;
    heard?.removeEventListener("change", follow);
    forget();
  };
}
