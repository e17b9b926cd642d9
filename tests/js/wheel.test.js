import assert from "node:assert/strict";
import { test } from "node:test";

import { tameWheel, zooms } from "../../latentfx_nb/widgets/wheel.js";

test("the wheel zooms with Ctrl, with Cmd, or while the figure has the focus", () => {
  const plot = { contains: (element) => element === "inside" };
  globalThis.document = { activeElement: "outside" };
  assert.equal(zooms(plot, {}), false);
  assert.equal(zooms(plot, { ctrlKey: true }), true);
  assert.equal(zooms(plot, { metaKey: true }), true);
  globalThis.document = { activeElement: "inside" };
  assert.equal(zooms(plot, {}), true);
});

test("a wheel that does not zoom never reaches plotly, and the page scrolls", () => {
  const listeners = {};
  const plot = { on: () => {}, contains: () => false };
  plot.addEventListener = (name, listener, options) => (listeners[name] = { listener, options });
  globalThis.document = { body: {}, activeElement: null, querySelectorAll: () => [plot] };
  globalThis.MutationObserver = class {
    observe() {}
  };
  tameWheel(() => ({ contains: () => true }));
  assert.equal(plot.tabIndex, 0);
  const { listener, options } = listeners.wheel;
  assert.equal(options.capture, true);
  const said = [];
  const stopImmediatePropagation = () => said.push("stopped");
  const event = { preventDefault: () => said.push("kept"), stopImmediatePropagation };
  listener(event);
  listener({ ...event, ctrlKey: true });
  assert.deepEqual(said, ["stopped", "kept"]);
});
