// What a list of entries comes to: which match a search, which are chosen after a tick, what the button says.

/** Return a picker's entries: number, label, a second line, and why it cannot be chosen. */
export const entriesOf = (model) =>
  model.get("_entries").map(([label, detail, reason], number) => ({ number, label, detail, reason }));

/** Return the entries in which every word of `text` occurs, in the label or the second line. */
export function matching(entries, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const says = ({ label, detail }) => `${label} ${detail}`.toLowerCase();
  return entries.filter((entry) => words.every((word) => says(entry).includes(word)));
}

/** Say whether no further entry may be ticked. */
export const isFull = (chosen, most) => most > 0 && chosen.length >= most;

const inOrder = (numbers) => [...numbers].sort((a, b) => a - b);

/** Say whether a visitor can choose an entry, or take its tick away. */
export function canChoose(entry, chosen, { several, most }) {
  if (chosen.includes(entry.number)) return true;
  return !entry.reason && !(several && isFull(chosen, most));
}

/** Return what is chosen once an entry was pressed. */
export function pressed(entry, chosen, rules) {
  if (!canChoose(entry, chosen, rules)) return chosen;
  if (!rules.several) return [entry.number];
  if (chosen.includes(entry.number)) return chosen.filter((number) => number !== entry.number);
  return inOrder([...chosen, entry.number]);
}

/** Return what is chosen once all of `shown` were ticked: as many as may be. */
export function withAll(shown, chosen, rules) {
  const ticked = (after, entry) => (after.includes(entry.number) ? after : pressed(entry, after, rules));
  return shown.reduce(ticked, chosen);
}

/** Return what is chosen once no one of `shown` is. */
export function withNone(shown, chosen) {
  const gone = shown.map((entry) => entry.number);
  return chosen.filter((number) => !gone.includes(number));
}

/** Return what the button says: the chosen one, or how many are. */
export function summary(entries, chosen, several) {
  if (chosen.length === 1) return entries[chosen[0]]?.label ?? "";
  if (!several || !chosen.length) return "none";
  return chosen.length === entries.length ? `all ${entries.length}` : `${chosen.length} of ${entries.length}`;
}

/** Return how many are chosen and how many may be, below the list. */
export function counts(entries, chosen, { several, most }) {
  if (!several) return `${entries.length} to choose from`;
  const said = `${chosen.length} of ${entries.length}`;
  if (!most || most >= entries.length) return said;
  return isFull(chosen, most) ? `${said}: ${most} at most, untick one first` : `${said}, ${most} at most`;
}

/** Return which of `n` entries a key leads to from `active` (-1: none yet), or null for another key. */
export function moved(key, active, n) {
  const page = 8;
  const to = { ArrowDown: active + 1, ArrowUp: active < 0 ? n - 1 : active - 1, PageDown: active + page,
    PageUp: active - page }[key];
  return to === undefined ? null : Math.max(0, Math.min(n - 1, to));
}
