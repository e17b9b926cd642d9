// Where the sound is, and the clocks of the page's players for whatever moves with a sound.

/** Return a position in a sound of `length_s`: beyond its end, it begins anew if it loops, else it stays. */
export function wrap(at_s, length_s, loop) {
  return loop && length_s ? at_s % length_s : Math.min(at_s, length_s);
}

/** Return where a sound is at `now_s` that started from `offset_s` at `started_s`, which may be to come. */
export function elapsed(offset_s, started_s, now_s) {
  return Math.max(offset_s, offset_s + now_s - started_s);
}

// Each widget has modules of its own, so the clocks stand where all widgets of a page see them.
const registry = () => (globalThis.latentfxClocks ??= { clocks: new Map(), events: new EventTarget() });

/**
 * Offer a player's clock to the page under the player's address; return how to take it back.
 * A clock has `heard(ahead_s)` and `playing()`, and `events` that fire "change" whenever either may have.
 */
export function registerClock(address, clock) {
  const { clocks, events } = registry();
  clocks.set(address, clock);
  events.dispatchEvent(new Event("clock"));
  return () => clocks.get(address) === clock && clocks.delete(address);
}

/** Return the clock of the player with this address, or undefined while the page has none. */
export const clockOf = (address) => registry().clocks.get(address);

/** Call `callback` whenever a player has started; return how to stop that. */
export function onNewClock(callback) {
  const { events } = registry();
  events.addEventListener("clock", callback);
  return () => events.removeEventListener("clock", callback);
}
