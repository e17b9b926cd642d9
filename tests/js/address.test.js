import assert from "node:assert/strict";
import { test } from "node:test";

import { cameraText, carried, keepAddress, merged, shareable } from "../../latentfx_nb/widgets/address.js";
import { Model } from "./model.js";

test("what Python says takes its place, what it takes back goes, and what it does not know stays", () => {
  const fields = { encoder: "logmel", effect: null, rows: "1,2", others: "HPF.mix" };
  const search = merged("?theme=dark&effect=DIS&label=instrument", fields);
  assert.equal(search, "?theme=dark&label=instrument&encoder=logmel&rows=1,2&others=HPF.mix");
  assert.equal(merged("?effect=DIS", { effect: null }), "");
  const mode = "Effect vector & more";
  assert.equal(new URLSearchParams(merged("", { mode })).get("mode"), mode);
});

test("a link keeps its own query before the page's, but the page's theme holds", () => {
  assert.equal(carried("", "?encoder=logmel"), "?encoder=logmel");
  assert.equal(carried("?effect=DIS", "?effect=HPF&row=3"), "?effect=DIS&row=3");
  assert.equal(carried("?theme=dark", "?theme=light"), "?theme=light");
  assert.equal(carried("?theme=dark", ""), "?theme=dark");
});

test("a shared address has neither the visitor's own files nor anything secret", () => {
  const { address, own } = shareable("https://a.b/04.ipynb?clips=own&row=3&token=abc&session_id=1&X-Y=2#x");
  assert.equal(address, "https://a.b/04.ipynb?row=3");
  assert.equal(own, true);
  assert.deepEqual(shareable("https://a.b/04.ipynb?clips=guitars"), {
    address: "https://a.b/04.ipynb?clips=guitars",
    own: false,
  });
});

test("a camera is written with two decimals", () => {
  const [eye, up] = [{ x: 1.23456, y: -2, z: 0.001 }, { x: 0, y: 0, z: 1 }];
  assert.equal(cameraText({ eye, up, center: { x: 0, y: 0, z: 0 } }), "1.23,-2,0,0,0,1");
});

/** A page with one link and the button that copies; `page.press` is a press on the button. */
function pageOf({ dashboard = true, search = "", clipboard } = {}) {
  const page = { listeners: {}, written: [], copied: [], link: { search: "", dataset: {} } };
  const button = { dataset: {}, childNodes: ["Copy link"] };
  button.replaceChildren = (...nodes) => (button.childNodes = nodes);
  Object.assign(button, { after: (field) => (page.field = field), closest: () => button });
  const listen = (name, listener) => ((page.listeners[name] ??= []).push(listener));
  const target = { addEventListener: listen, removeEventListener: () => (page.stopped = true) };
  const reload = () => (page.again = true);
  const place = { search, pathname: "/04.ipynb", hash: "", origin: "http://a.b", reload };
  Object.defineProperty(place, "href", { get: () => `http://a.b/04.ipynb${place.search}` });
  globalThis.location = place;
  globalThis.history = {
    state: null,
    replaceState: (_state, _title, href) => {
      page.written.push(href);
      place.search = new URL(href, "http://a.b").search;
    },
  };
  const field = () => ({ focus: () => {}, select: () => (page.selected = true), remove: () => {} });
  globalThis.document = {
    ...target,
    querySelector: () => (dashboard ? {} : null),
    querySelectorAll: (selector) => (selector.includes("data-page") ? [page.link] : []),
    createElement: field,
  };
  globalThis.window = target;
  globalThis.MutationObserver = class {
    observe() {}
    disconnect() {}
  };
  Object.defineProperty(globalThis, "navigator", { value: { clipboard }, configurable: true });
  const fire = (name, event) => page.listeners[name].forEach((one) => one(event));
  return Object.assign(page, { button, fire });
}

test("changes are written once, and stand on the links before they are pressed", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const page = pageOf({ search: "?theme=dark" });
  const model = new Model({ address: {} });
  const stop = keepAddress(model);
  for (const value of ["1", "2", "3"]) model.set("address", { value, effect: null });
  assert.deepEqual(page.written, []);
  context.mock.timers.tick(1000);
  assert.deepEqual(page.written, ["/04.ipynb?theme=dark&value=3"]);
  assert.equal(page.link.search, "?theme=dark&value=3");
  model.set("address", { value: "4" });
  page.fire("pointerdown", {});
  assert.equal(page.link.search, "?theme=dark&value=4");
  context.mock.timers.tick(1000);
  assert.equal(page.written.length, 2);
  stop();
  assert.equal(page.stopped, true);
});

test("a notebook's address is left alone", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const page = pageOf({ dashboard: false });
  const model = new Model({ address: { value: "1" } });
  keepAddress(model);
  model.set("address", { value: "2" });
  context.mock.timers.tick(1000);
  assert.deepEqual(page.written, []);
});

test("the button copies the address, says so for a while, and is as before", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const copied = [];
  const clipboard = { writeText: async (text) => copied.push(text) };
  const page = pageOf({ search: "?clips=own&row=3", clipboard });
  keepAddress(new Model({ address: {} }));
  page.fire("click", { target: page.button });
  await Promise.resolve();
  assert.deepEqual(copied, ["http://a.b/04.ipynb?row=3"]);
  await new Promise(setImmediate);
  assert.deepEqual(page.button.childNodes, ["Copied, without your own files"]);
  context.mock.timers.tick(5000);
  assert.deepEqual(page.button.childNodes, ["Copy link"]);
});

test("without a clipboard the address is shown, selected", async () => {
  const page = pageOf({ search: "?row=3" });
  keepAddress(new Model({ address: {} }));
  page.fire("click", { target: page.button });
  await new Promise(setImmediate);
  assert.equal(page.field.value, "http://a.b/04.ipynb?row=3");
  assert.equal(page.selected, true);
});

test("a page that comes back without its kernel is opened again", () => {
  const page = pageOf();
  keepAddress(new Model({ address: {} }));
  page.fire("pageshow", { persisted: false });
  assert.equal(page.again, undefined);
  page.fire("pageshow", { persisted: true });
  assert.equal(page.again, true);
});
