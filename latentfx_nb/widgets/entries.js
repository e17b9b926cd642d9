// The rows of a picker's list.

/** Return an element of a class that says `text`. */
export function part(tag, className, text = "", properties = {}) {
  return Object.assign(document.createElement(tag), { className, textContent: text, ...properties });
}

function playButton(entry, sounds, play) {
  const button = part("button", "lfx-play", sounds ? "■" : "▶", { type: "button", tabIndex: -1 });
  button.ariaLabel = `${sounds ? "Stop" : "Play"} ${entry.label}`;
  button.onclick = (event) => {
    event.stopPropagation();
    play();
  };
  return button;
}

/** Return the words of an entry: its label; below it why it cannot be chosen, or what else is known. */
function wordsOf(entry) {
  const words = part("span", "lfx-words");
  words.append(part("span", "lfx-name", entry.label));
  const second = entry.reason || entry.detail;
  if (second) words.append(part("small", "lfx-detail", second, { title: second }));
  return words;
}

/**
 * Return the row of an entry. `looks` says whether it is `ticked`, `able` to be chosen, one of `several`,
 * `playable`, and whether it `sounds`; `press` and `play` are called when these are wanted.
 */
export function rowOf(entry, id, looks, { press, play }) {
  const row = part("li", "lfx-entry", "", { id, role: "option", onclick: press });
  row.ariaSelected = `${looks.ticked}`;
  row.ariaDisabled = `${!looks.able}`;
  const mark = part("span", looks.several ? "lfx-tick" : "lfx-dot", "", { ariaHidden: "true" });
  row.append(mark, wordsOf(entry));
  if (looks.playable && !entry.reason) row.append(playButton(entry, looks.sounds, play));
  return row;
}

/** Return a row that only says something. */
export const saying = (text) => part("li", "lfx-more", text, { role: "presentation" });
