// A row with a label and a button that says what is chosen; the button opens the list.
import { part } from "./entries.js";
import { entriesOf, summary } from "./picks.js";
import { Popover } from "./popover.js";

function initialize({ model }) {
  // Python answers with its state, because an earlier message may have been lost.
  model.send({ kind: "ready", chosen: model.get("_chosen") });
}

/** Return the row of a picker and its parts. */
function build(model) {
  const id = `lfx-picker-${model.get("_address")}`;
  const row = part("div", "lfx-picker widget-inline-hbox");
  const label = part("label", "widget-label", "", { id: `${id}-label`, htmlFor: id });
  const button = part("button", "lfx-picked", "", { id, type: "button" });
  Object.assign(button, { ariaHasPopup: "dialog", ariaExpanded: "false" });
  button.setAttribute("aria-labelledby", `${id}-label ${id}`);
  row.append(label, button);
  return { row, label, button };
}

function draw(model, { label, button }) {
  const [entries, chosen] = [entriesOf(model), model.get("_chosen")];
  label.textContent = model.get("description");
  label.hidden = !model.get("description");
  button.textContent = summary(entries, chosen, model.get("several"));
  button.title = chosen.map((number) => entries[number]?.label).join(", ").slice(0, 300);
  button.disabled = model.get("disabled");
}

const DRAWN = ["description", "several", "most", "playable", "disabled", "_entries", "_chosen", "_playing"];

function render({ model, el }) {
  const parts = build(model);
  let list = null;
  const closed = () => {
    list = null;
    parts.button.ariaExpanded = "false";
  };
  const open = () => {
    list = new Popover(model, parts.button, closed);
    parts.button.ariaExpanded = "true";
  };
  parts.button.onclick = () => (list ? list.close() : open());
  parts.button.onkeydown = (event) => {
    if (event.key !== "ArrowDown" || list) return;
    event.preventDefault();
    open();
  };
  const redraw = () => {
    draw(model, parts);
    list?.draw();
  };
  model.on(DRAWN.map((name) => `change:${name}`).join(" "), redraw);
  redraw();
  el.append(parts.row);
  return () => list?.close(false);
}

export default { initialize, render };
