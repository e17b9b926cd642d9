// A knob by its model, and what turns it: a pointer, the wheel, keys. A view shows it, Python hears of it.
import { inFull, parse, settingAt, shareOf, stepped, typed } from "./settings.js";

const WHOLE_PX = 200; // what is dragged for the whole scale
const WHOLE_WHEEL_PX = 4000;
const LINE_PX = 40; // of wheels that count lines
const FINE = 0.1;
const KEYS = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10 };

/** What is turned: the value of a dial's model, on the scale that this names. */
export class Knob {
  constructor(model) {
    Object.assign(this, { model, share: 0, turned: undefined, hands: new Set() });
  }

  get value() {
    return this.model.get("value");
  }

  get disabled() {
    return this.model.get("disabled");
  }

  get start() {
    return this.model.get("start");
  }

  get scale() {
    const [low, high, log, unit] = ["low", "high", "log", "unit"].map((name) => this.model.get(name));
    return { low, high, log, unit };
  }

  /** Set the value and let Python hear of it: ipywidgets sends one at a time, of those that wait the last. */
  to(value) {
    if (this.disabled || value === this.value) return;
    this.model.set("value", typed(value));
    this.model.save_changes();
  }

  /** Set the value for somebody: whatever turns the knob by itself stops. */
  byHand(value) {
    this.taken();
    this.to(value);
  }

  /** Say that somebody has taken the knob. */
  taken() {
    for (const hand of this.hands) hand();
  }

  /** Turn by a share of the scale; what is rounded away is kept for the next turn. */
  turn(share, fine = false) {
    if (this.turned !== this.value) this.share = shareOf(this.value, this.scale);
    this.share = Math.min(1, Math.max(0, this.share + share * (fine ? FINE : 1)));
    this.byHand(settingAt(this.share, this.scale, fine));
    this.turned = this.value;
  }

  /** Take what was typed; return why not, "" if it was taken. */
  type(text) {
    if (text.trim() === inFull(this.value, this.scale.unit)) return "";
    const { value, problem = "" } = parse(text, this.scale);
    if (value !== undefined) this.byHand(value);
    return problem;
  }

  /** Do what a key means; return whether it means anything. */
  press({ key, shiftKey }) {
    if (key in KEYS) this.byHand(stepped(this.value, this.scale, KEYS[key], shiftKey));
    else if (key === "Home") this.byHand(this.start);
    else if (key === "End") this.byHand(shiftKey ? this.scale.low : this.scale.high);
    else return false;
    return true;
  }
}

/** Let a knob be dragged up and down in `element`, ten times finer with Shift. */
function drag(element, knob) {
  let from;
  const end = () => {
    from = undefined;
    delete element.dataset.held;
  };
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || knob.disabled) return;
    event.preventDefault(); // no text is selected
    element.focus();
    element.setPointerCapture(event.pointerId);
    element.dataset.held = "true";
    from = event.clientY;
    knob.taken();
  });
  element.addEventListener("pointermove", (event) => {
    if (from === undefined) return;
    knob.turn((from - event.clientY) / WHOLE_PX, event.shiftKey);
    from = event.clientY;
  });
  element.addEventListener("pointerup", end);
  element.addEventListener("pointercancel", end);
}

/** Let the wheel turn a knob while it has the focus: elsewhere it scrolls. */
function roll(element, knob) {
  const turn = (event) => {
    if (document.activeElement !== element || knob.disabled) return;
    event.preventDefault();
    const rolled = event.deltaY || event.deltaX; // browsers roll sideways with Shift
    const px = rolled * (event.deltaMode === 1 ? LINE_PX : 1);
    knob.turn(-px / WHOLE_WHEEL_PX, event.shiftKey);
  };
  element.addEventListener("wheel", turn, { passive: false });
}

/** Let `element` turn a knob: by pointer, wheel, keys and double click. */
export function turnable(element, knob) {
  drag(element, knob);
  roll(element, knob);
  element.addEventListener("dblclick", () => knob.byHand(knob.start));
  element.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || !knob.press(event)) return;
    event.preventDefault();
    event.stopPropagation();
  });
}
