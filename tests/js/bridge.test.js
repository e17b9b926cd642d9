import assert from "node:assert/strict";
import { test } from "node:test";

import { fills, keepListening, plotOf, savePicture } from "../../latentfx_nb/widgets/bridge.js";
import { settled } from "./model.js";

/** ipywidgets' own model, which takes every message. */
class Core {
  constructor(started) {
    Object.assign(this, { started, taken: [], saved: [], listeners: [] });
    this.comm = { on_msg: (listener) => (this.listeners = [listener]) };
  }

  async _handle_comm_msg(message) {
    this.taken.push(message);
  }

  save(changes) {
    this.saved.push(changes);
  }
}

/** anywidget's, which waits for its module and gives up if that has taken too long. */
class Late extends Core {
  async _handle_comm_msg(message) {
    if (!this.started) throw new Error("[anywidget] Failed to initialize model.");
    return super._handle_comm_msg(message);
  }
}

const managerOf = (model) => ({ get_model: async () => model });

for (const started of [true, false]) {
  test(`a widget that started ${started ? "in time" : "late"} hears each message once`, async () => {
    const model = new Late(started);
    await keepListening(managerOf(model), "one");
    await keepListening(managerOf(model), "one");
    model.listeners.forEach((listener) => listener("hello"));
    await settled();
    assert.deepEqual(model.taken, ["hello"]);
  });
}

test("a hover that waits does not take a click's place, and all else is saved as it is", async () => {
  const model = new Late(true);
  await keepListening(managerOf(model), "one");
  model.save({ _js2py_pointsCallback: { event_type: "plotly_hover" }, other: 1 });
  model.save({ _js2py_pointsCallback: { event_type: "plotly_unhover" } });
  model.save({ _js2py_pointsCallback: { event_type: "plotly_click" } });
  model.save(undefined);
  const click = { _js2py_pointsCallback: { event_type: "plotly_click" } };
  assert.deepEqual(model.saved, [{ other: 1 }, {}, click, undefined]);
});

test("a page without a manager, and a model of another kind, are left alone", async () => {
  await keepListening(undefined, "one");
  await keepListening(managerOf({ comm: {} }), "one");
});

test("an edit of the kernel is answered once, however often the page moves markers after it", async () => {
  const model = new Late(true);
  await keepListening(managerOf(model), "one");
  const answer = (id) => ({
    _js2py_traceDeltas: { trace_edit_id: id },
    _js2py_widget_layoutDelta: { layout_edit_id: id },
  });
  for (const id of [1, 1, 2, 2]) model.save(answer(id));
  assert.deepEqual(model.saved, [answer(1), {}, answer(2), {}]);
});

test("a picture is saved by plotly's camera, this once in another format and under another name", () => {
  const used = [];
  const plot = { _context: { toImageButtonOptions: { format: "png", scale: 2 } } };
  plot.querySelector = () => ({ click: () => used.push(plot._context.toImageButtonOptions) });
  savePicture(plot, "svg", "clusters");
  assert.deepEqual(used, [{ format: "svg", scale: 2, filename: "clusters" }]);
  assert.deepEqual(plot._context.toImageButtonOptions, { format: "png", scale: 2 });
  savePicture({ querySelector: () => null }, "svg", "clusters"); // a figure without buttons has no picture
});

test("the drawn figure of a widget is the one inside its view", async () => {
  const [own, other] = [{}, {}];
  globalThis.document = { querySelectorAll: () => [other, own] };
  const view = { el: { contains: (plot) => plot === own } };
  assert.equal(await plotOf({ views: { one: Promise.resolve(view) } }), own);
  assert.equal(await plotOf({}), undefined);
});

test("a figure fills its place to a pixel", () => {
  const figure = (width, height) => ({ _fullLayout: { width, height }, clientWidth: 701, clientHeight: 500 });
  assert.equal(fills(figure(700, 500)), true);
  assert.equal(fills(figure(900, 500)), false);
  assert.equal(fills(figure(700, 400)), false);
  assert.equal(fills({ clientWidth: 900 }), true);
});
