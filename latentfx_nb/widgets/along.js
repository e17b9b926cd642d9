// Markers that move along prepared paths as a dial is turned, without a round trip; and which is shown: a
// place on the prepared path, or that of the very setting, which Python has computed meanwhile.
import { restyle } from "./bridge.js";

const WORDS = { exact: "exact", prepared: "prepared path" };

/** Return where a value lies between the prepared ones: the one below it, and how far on to the next. */
export function neighbours(values, value, log) {
  const next = values.findIndex((one) => one >= value);
  if (next === 0) return [0, 0];
  if (next < 0) return [values.length - 1, 0];
  const [low, at, high] = [values[next - 1], value, values[next]].map((one) => (log ? Math.log(one) : one));
  return [next - 1, (at - low) / (high - low)];
}

/** Return the places of the markers at a value: `{ x, y, z }`, of each axis one number a marker. */
export function placesAlong({ shape: [markers, count, axes], points, values, log }, value) {
  const [below, part] = neighbours(values, value, log);
  const above = Math.min(below + 1, count - 1);
  const number = (marker, step, axis) => points.getFloat32(4 * ((marker * count + step) * axes + axis), true);
  const place = (marker, axis) =>
    number(marker, below, axis) + part * (number(marker, above, axis) - number(marker, below, axis));
  const along = (axis) => Array.from({ length: markers }, (_, marker) => place(marker, axis));
  return Object.fromEntries(["x", "y", "z"].slice(0, axes).map((name, axis) => [name, along(axis)]));
}

/** Moves the markers that a bridge's `model` names, as the dial that it names is turned. */
class Follower {
  constructor(model, say) {
    Object.assign(this, { model, say, dial: undefined, asked: false });
    this.turned = () => this.turn();
  }

  /** Listen to the dial of what is to be followed now. */
  async attach() {
    this.dial?.off("change:value", this.turned);
    const { dial } = this.model.get("_along");
    this.dial = dial && (await this.model.widget_manager.get_model(dial));
    this.dial?.on("change:value", this.turned);
    this.stand();
  }

  /** Say whether the dial is still the knob that the paths are of. */
  fits() {
    return this.dial?.get("knob") === this.model.get("_along").knob;
  }

  /** Move the markers at the next painting, and say that these are prepared places. */
  turn() {
    if (!this.fits()) return;
    this.say(WORDS.prepared);
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => this.move());
  }

  async move() {
    const along = this.model.get("_along");
    const figure = await this.model.widget_manager.get_model(along.figure);
    this.asked = false; // what is turned from here on is painted next
    if (this.fits()) restyle(figure, along.trace, placesAlong(along, this.dial.get("value")));
  }

  /** Python has drawn a setting: say which it is; if the dial has been turned on since, go on from there. */
  stand() {
    const { value, exact } = this.model.get("_standing");
    if (value === undefined) return;
    if (this.dial && this.fits() && this.dial.get("value") !== value) this.turn();
    else this.say(exact ? WORDS.exact : WORDS.prepared);
  }

  end() {
    this.dial?.off("change:value", this.turned);
    this.dial = undefined;
  }
}

/** Keep a bridge's markers where its dial stands; `say` is told which is shown. Return how to stop that. */
export function followKnob(model, say) {
  const follower = new Follower(model, say);
  const attach = () => follower.attach();
  const stand = () => follower.stand();
  model.on("change:_along", attach);
  model.on("change:_standing", stand);
  attach();
  return () => {
    model.off("change:_along", attach);
    model.off("change:_standing", stand);
    follower.end();
  };
}
