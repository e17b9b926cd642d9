// A control of a MIDI device that turns a knob: the first one that is moved once somebody has asked for it.
import { settingAt } from "./settings.js";

const CONTROL_CHANGE = 0xb0;
const LARGEST = 127;

/** Say whether this browser knows MIDI. */
export const hasMidi = () => typeof navigator.requestMIDIAccess === "function";

/** Return which control a MIDI message is of and how far it is turned (0 to 1); undefined for others. */
export function controlOf([status, control, value]) {
  if ((status & 0xf0) !== CONTROL_CHANGE) return undefined;
  return { control: `${(status & 0x0f) + 1}.${control}`, share: value / LARGEST };
}

/**
 * Let the next control that is moved turn `knob` from now on; `say(text)` tells how far that is.
 * Return how to end it; rejects if the browser or its user refuses.
 */
export async function learn(knob, say) {
  const access = await navigator.requestMIDIAccess();
  let learnt;
  const hear = ({ data }) => {
    const found = controlOf(data);
    if (!found || (learnt && learnt !== found.control)) return;
    if (!learnt) say(`MIDI control ${found.control.split(".")[1]} turns this knob.`);
    learnt = found.control;
    knob.byHand(settingAt(found.share, knob.scale));
  };
  const listen = () => access.inputs.forEach((input) => (input.onmidimessage = hear));
  access.onstatechange = listen; // a device that is plugged in later
  listen();
  const first = access.inputs.size ? "Move" : "No MIDI device yet: plug one in, and move";
  say(`${first} a control of the device.`);
  return () => {
    access.onstatechange = null;
    access.inputs.forEach((input) => (input.onmidimessage = null));
  };
}
