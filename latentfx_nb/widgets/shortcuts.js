// The keyboard of a panel: single keys play, switch sides and so on, wherever the focus is in it, but not
// while something is typed. On a dashboard its only panel has them even if nothing has the focus.
import { open } from "./frame.js";

/** The list of shortcuts as it is shown: keys, and what they do. */
export const LIST = [
  [["Space"], "Play or pause"],
  [["1", "2", "3", "4"], "Hear the dry, wet, decoded or algebra sound"],
  [["L"], "Loop on or off"],
  [["R"], "Set the knob back to the paper's setting"],
  [["↑", "↓"], "Turn the knob while it has the focus; with Shift in fine steps"],
  [["["], "Previous clip"],
  [["]"], "Next clip"],
  [["F"], "Full screen on or off"],
  [["?"], "Show or hide this list"],
  [["Esc"], "Close what is open"],
];

const INPUT = 'input:not([type="range"], [type="checkbox"])';
const TYPED = `select, textarea, [contenteditable="true"], dialog, ${INPUT}`;
const PRESSED = 'button, a[href], summary, input[type="checkbox"], [role="option"], [role="listbox"]';

/** Say whether a key is to be left to the element that has the focus: what is typed, or pressed by Space. */
export function isTaken(event, byPointer) {
  const { target, key, ctrlKey, metaKey, altKey, defaultPrevented } = event;
  if (defaultPrevented || ctrlKey || metaKey || altKey || target.closest?.(TYPED)) return true;
  // A button that was clicked keeps the focus, and gives Space back.
  return key === " " && !byPointer && Boolean(target.closest?.(PRESSED));
}

const press = (panel, selector) => {
  const button = panel.querySelector(selector);
  if (!button || button.disabled || button.hidden) return false;
  button.click();
  return true;
};
const side = (name) => (panel) => press(panel, `.latentfx-player [data-side="${name}"]`);

/** Switch the full screen on or off; a browser that refuses it, or has none, is told of. */
function fullScreen(panel, tell) {
  const refused = () => tell({ kind: "no full screen" });
  if (document.fullscreenElement) document.exitFullscreen();
  else if (panel.requestFullscreen) panel.requestFullscreen().catch(refused);
  else refused();
  return true;
}

function close(panel) {
  if (!panel.dataset.open) return false;
  open(panel, "");
  return true;
}

/** What keys do to a panel; each returns whether there was anything to do. `tell` tells Python. */
export const KEYS = {
  " ": (panel) => press(panel, ".latentfx-player .lfx-play"),
  1: side("dry"),
  2: side("wet"),
  3: side("decoded"),
  4: side("algebra"),
  l: (panel) => press(panel, ".latentfx-player .lfx-loop"),
  r: (panel) => press(panel, ".lfx-dial-start"),
  f: fullScreen,
  "[": (panel, tell) => tell({ kind: "step", by: -1 }),
  "]": (panel, tell) => tell({ kind: "step", by: 1 }),
  escape: close,
};

const keys = (some) => some.map((key) => `<kbd>${key}</kbd>`).join(" ");
const lines = LIST.map(([some, words]) => `<dt>${keys(some)}</dt><dd>${words}</dd>`).join("");

/** Return the list of shortcuts, a dialog that is closed. */
function listOf(panel) {
  const dialog = document.createElement("dialog");
  dialog.className = "lfx-shortcuts";
  dialog.ariaLabel = "Shortcuts of the keyboard";
  dialog.innerHTML = `<form method="dialog"><h2>Keyboard</h2><dl>${lines}</dl><button>Close</button></form>`;
  dialog.onclick = ({ target }) => target === dialog && dialog.close(); // beside the list
  dialog.onkeydown = ({ key }) => ["?", "Escape"].includes(key) && dialog.close();
  panel.append(dialog);
  return dialog;
}

function toggleList(panel) {
  const dialog = panel.querySelector(":scope > .lfx-shortcuts") ?? listOf(panel);
  if (dialog.open) dialog.close();
  else dialog.showModal();
  return true;
}

/** Say whether a key that was pressed at `target` is for this panel. */
export function isFor(panel, target) {
  if (panel.contains(target)) return true;
  const outside = target === document.body || Boolean(target.closest?.(".lfx-bar"));
  return outside && Boolean(panel.closest(".lfx-dashboard"));
}

/** Let keys work in `panel()`, which need not be there yet; `tell` tells Python. Return how to stop that. */
export function onKeys(panel, tell) {
  let byPointer = true;
  const point = () => (byPointer = true);
  const press = (event) => {
    if (event.key === "Tab") byPointer = false;
    const there = panel();
    if (!there || !isFor(there, event.target) || isTaken(event, byPointer)) return;
    const act = event.key === "?" ? toggleList : KEYS[event.key.toLowerCase()];
    if (act && act(there, tell) !== false) event.preventDefault();
  };
  const help = () => panel() && toggleList(panel());
  const listeners = { pointerdown: point, keydown: press, "latentfx:help": help };
  for (const [name, listener] of Object.entries(listeners)) document.addEventListener(name, listener);
  return () => {
    for (const [name, listener] of Object.entries(listeners)) document.removeEventListener(name, listener);
  };
}
