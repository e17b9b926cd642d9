// Three steps to try on the front page: they stand over the picture, tick themselves off, and go when closed.

/** What is to be tried, and what a press on a step focuses. */
export const STEPS = [
  { name: "play", words: "Press play and listen", target: ".lfx-play" },
  { name: "turn", words: "Turn the knob: the clip moves", target: '.lfx-rail [role="slider"]' },
  { name: "side", words: "Switch between Dry and Wet", target: '.lfx-sides [aria-pressed="false"]' },
];
const TITLE = "Three things to try";
const DONE = "That was the whole instrument. All pages follow below.";
const KNOB = '[role="slider"], .widget-slider, .latentfx-dial';
const KEY = "latentfx-coach";
const CLOSED = "closed";
const WATCHED = ["data-playing", "data-listening", "aria-valuenow"];

/** Return what the browser keeps for this site, undefined where that is not allowed. */
function ownStorage() {
  try {
    return window.localStorage;
  } catch {
    return undefined;
  }
}

/** Return what was kept of earlier visits: the names of steps that were done, or also "closed". */
export function remembered(storage) {
  try {
    const kept = JSON.parse(storage.getItem(KEY) ?? "[]");
    return new Set(Array.isArray(kept) ? kept : []);
  } catch {
    return new Set(); // a browser that keeps nothing shows the steps each time
  }
}

/** Keep the names of steps for later visits, where the browser keeps anything. */
export function remember(storage, done) {
  try {
    storage.setItem(KEY, JSON.stringify([...done]));
  } catch {
    // nothing is kept
  }
}

/** Return which step a change of an attribute is, if any; `touched`: the knob was touched last. */
export function stepOf({ attributeName, oldValue, target }, touched) {
  const now = target.getAttribute(attributeName);
  if (attributeName === "data-playing") return now === "true" ? "play" : undefined;
  if (oldValue === null || oldValue === now) return undefined;
  if (attributeName === "data-listening") return "side";
  return touched && target.closest(KNOB) ? "turn" : undefined;
}

const item = ({ name, words }, done) =>
  `<li data-step="${name}" data-done="${done.has(name)}"><button type="button">${words}</button></li>`;

/** Return the markup of the steps, of which some are done. */
export function markup(done) {
  const whole = STEPS.every(({ name }) => done.has(name));
  const said = whole ? `<p>${DONE}</p>` : "";
  const label = whole ? "Close" : "Not now";
  return `<h2>${TITLE}</h2><ol>${STEPS.map((step) => item(step, done)).join("")}</ol>
    <div role="status">${said}</div><button type="button" class="lfx-close">${label}</button>`;
}

function draw(panel, place, done, close) {
  place.innerHTML = markup(done);
  place.querySelector(".lfx-close").onclick = close;
  for (const { name, target } of STEPS) {
    place.querySelector(`[data-step="${name}"] button`).onclick = () => panel.querySelector(target)?.focus();
  }
}

/** Call `tell` with each step that is done on `panel`, maybe again and again; return how to stop that. */
function watch(panel, tell) {
  let touched = false;
  const touch = ({ target }) => (touched = Boolean(target.closest(KNOB)));
  const events = ["pointerdown", "keydown", "wheel"];
  const observer = new MutationObserver((changes) => {
    for (const change of changes) if (stepOf(change, touched)) tell(stepOf(change, touched));
  });
  observer.observe(panel, { subtree: true, attributeFilter: WATCHED, attributeOldValue: true });
  for (const name of events) panel.addEventListener(name, touch, { capture: true, passive: true });
  return () => {
    observer.disconnect();
    for (const name of events) panel.removeEventListener(name, touch, true);
  };
}

/** Show the steps over the picture of `panel`; return how to take them away. */
function coach(panel, storage) {
  const done = remembered(storage);
  const place = document.createElement("section");
  Object.assign(place, { className: "lfx-coach", ariaLabel: TITLE });
  const stop = watch(panel, (name) => {
    if (done.has(name)) return;
    remember(storage, done.add(name));
    draw(panel, place, done, close);
  });
  const end = () => {
    stop();
    place.remove();
  };
  function close() {
    remember(storage, done.add(CLOSED));
    end();
  }
  draw(panel, place, done, close);
  panel.querySelector(".lfx-stage").append(place);
  return end;
}

/** On the front page, coach whoever has not closed the steps, once `panel()` stands; return how to stop. */
export function openCoach(panel, storage = ownStorage()) {
  let end;
  const look = () => {
    if (!panel()?.querySelector(".lfx-stage") || !panel().closest(".lfx-front")) return;
    observer.disconnect();
    if (!remembered(storage).has(CLOSED)) end = coach(panel(), storage);
  };
  const observer = new MutationObserver(look);
  observer.observe(document.body, { childList: true, subtree: true });
  look();
  return () => {
    observer.disconnect();
    end?.();
  };
}
