import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { KEYS, LIST, isFor, isTaken, onKeys } from "../../latentfx_nb/widgets/shortcuts.js";
import { settled } from "./model.js";
import { Element, fire } from "./page.js";

let body, panel, parts, told, end;

/** An element that matches the first of some selectors, and those that hold it. */
function element(...matches) {
  const one = Object.assign(new Element(), { clicks: 0, click: () => one.clicks++ });
  one.closest = (selector) => (matches.some((match) => selector.split(", ").includes(match)) ? one : null);
  return one;
}

beforeEach(() => {
  end?.();
  parts = {
    ".latentfx-player .lfx-play": element("button"),
    '.latentfx-player [data-side="dry"]': element("button"),
    '.latentfx-player [data-side="decoded"]': Object.assign(element("button"), { hidden: true }),
    ".latentfx-player .lfx-loop": element("button"),
    ".lfx-dial-start": element("button"),
  };
  panel = Object.assign(element(".lfx-dashboard"), { inside: new Set() });
  panel.contains = (one) => one === panel || panel.inside.has(one);
  panel.querySelector = (selector) => parts[selector] ?? null;
  body = element();
  globalThis.document = Object.assign(new EventTarget(), { body, fullscreenElement: null });
  told = [];
  end = onKeys(
    () => panel,
    (message) => told.push(message),
  );
});

/** Press a key while `target` has the focus; return the event. */
function press(key, target = panel, more = {}) {
  const event = Object.assign(new Event("keydown", { cancelable: true }), { key, ...more });
  Object.defineProperty(event, "target", { value: target });
  globalThis.document.dispatchEvent(event);
  return event;
}

test("keys press what they name, and only what is there", () => {
  for (const key of [" ", "1", "l", "R"]) assert.equal(press(key).defaultPrevented, true);
  assert.deepEqual(
    Object.values(parts).map(({ clicks }) => clicks),
    [1, 1, 0, 1, 1],
  );
  for (const key of ["3", "4", "q"]) assert.equal(press(key).defaultPrevented, false);
  assert.equal(parts['.latentfx-player [data-side="decoded"]'].clicks, 0);
});

test("brackets step through the clips, which is Python's to do", () => {
  press("[");
  press("]");
  assert.deepEqual(told, [
    { kind: "step", by: -1 },
    { kind: "step", by: 1 },
  ]);
});

test("a browser that refuses the full screen, or has none, is told of", async () => {
  const refusal = [{ kind: "no full screen" }];
  press("f");
  assert.deepEqual(told, refusal);
  told.length = 0;
  panel.requestFullscreen = () => Promise.reject(new TypeError("Permissions check failed"));
  press("f");
  await settled();
  assert.deepEqual(told, refusal);
  told.length = 0;
  panel.requestFullscreen = () => Promise.resolve();
  press("f");
  await settled();
  assert.deepEqual(told, []);
});

test("nothing happens while something is typed, or with Ctrl, Alt or Meta", () => {
  const typed = element("textarea");
  panel.inside.add(typed);
  press(" ", typed);
  for (const held of ["ctrlKey", "altKey", "metaKey"]) press("l", panel, { [held]: true });
  assert.equal(parts[".latentfx-player .lfx-play"].clicks, 0);
  assert.equal(parts[".latentfx-player .lfx-loop"].clicks, 0);
});

test("Space plays, with the knob focused too, but a button that was reached by Tab keeps it", () => {
  const knob = element('[role="slider"]');
  const button = element("button");
  panel.inside.add(knob).add(button);
  press(" ", knob);
  press(" ", button);
  assert.equal(parts[".latentfx-player .lfx-play"].clicks, 2);
  press("Tab", button);
  assert.equal(press(" ", button).defaultPrevented, false);
  press(" ", knob);
  fire(globalThis.document, "pointerdown");
  press(" ", button);
  assert.equal(parts[".latentfx-player .lfx-play"].clicks, 4);
});

test("a key that something else has used is left alone", () => {
  assert.equal(isTaken({ target: element(), key: " ", defaultPrevented: true }, true), true);
  assert.equal(isTaken({ target: element(), key: " ", defaultPrevented: false }, true), false);
});

test("in JupyterLab a panel hears keys only while the focus is in it, on a dashboard always", () => {
  assert.equal(isFor(panel, body), true);
  assert.equal(isFor(panel, element(".lfx-bar")), true);
  assert.equal(isFor(panel, element()), false);
  panel.closest = () => null;
  assert.equal(isFor(panel, body), false);
  assert.equal(isFor(panel, panel), true);
});

test("the help of the bar and ? show and hide the list, which names every key", () => {
  const dialog = Object.assign(element(), { open: false });
  dialog.showModal = () => (dialog.open = true);
  dialog.close = () => (dialog.open = false);
  parts[":scope > .lfx-shortcuts"] = dialog;
  fire(globalThis.document, "latentfx:help");
  assert.equal(dialog.open, true);
  press("?");
  assert.equal(dialog.open, false);
  const listed = LIST.flatMap(([keys]) => keys.map((key) => key.toLowerCase()));
  const names = { " ": "space", escape: "esc" };
  for (const key of Object.keys(KEYS)) assert.ok(listed.includes(names[key] ?? key), key);
});

test("Escape closes the drawer that is open", () => {
  const drawer = Object.assign(element(), { children: [] });
  parts[".lfx-drawer"] = drawer;
  panel.querySelectorAll = () => [];
  panel.dataset.open = "facts";
  assert.equal(press("Escape").defaultPrevented, true);
  assert.equal(panel.dataset.open, "");
  assert.equal(press("Escape").defaultPrevented, false);
});

test("a panel that goes hears no more keys", () => {
  end();
  press("l");
  assert.equal(parts[".latentfx-player .lfx-loop"].clicks, 0);
});
