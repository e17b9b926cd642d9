// A table with sortable heads, a bar in each cell, and the best of each column marked.
import { ariaSort, pressed, sorted } from "./sorting.js";

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Return the head of a column: a press sorts by it. */
function head(column, model, sort) {
  const { name, heading, says } = column;
  const unbroken = heading.replaceAll("-", "\u2011");
  const button = element("button", { type: "button", textContent: unbroken, title: says });
  button.dataset.column = name;
  button.onclick = () => sort(pressed(model.get("value"), name));
  const cell = element("th", { scope: "col" }, button);
  cell.ariaSort = ariaSort(model.get("value"), column);
  return cell;
}

/** Return the cell of a row: its number, a bar as long as its share, and what it says under the mouse. */
function cell({ text, share, best, says }) {
  const number = element("span", { textContent: text });
  const made = element("td", { title: says, className: best ? "lfx-best" : "" }, number);
  made.style.setProperty("--lfx-share", `${100 * share}%`);
  return made;
}

function line({ name, cells }) {
  return element("tr", {}, element("th", { scope: "row", textContent: name }), ...cells.map(cell));
}

/** Draw the table anew, with the focus where it was. */
function draw(root, model, sort) {
  const [columns, rows] = [model.get("columns"), model.get("rows")];
  const focused = root.querySelector("button:focus")?.dataset.column;
  const first = element("th", { scope: "col", textContent: model.get("corner") });
  const heads = columns.map((column) => head(column, model, sort));
  const body = sorted(rows, columns, model.get("value")).map(line);
  const table = element("table", { ariaLabel: model.get("label") });
  table.append(element("thead", {}, element("tr", {}, first, ...heads)), element("tbody", {}, ...body));
  root.replaceChildren(rows.length ? table : element("p", { textContent: model.get("nothing") }));
  if (focused) root.querySelector(`button[data-column="${CSS.escape(focused)}"]`)?.focus();
}

function render({ model, el }) {
  const root = element("div", { className: "latentfx-sorted" });
  const sort = (value) => {
    model.set("value", value);
    model.save_changes();
  };
  const paint = () => draw(root, model, sort);
  for (const name of ["columns", "rows", "value", "nothing"]) model.on(`change:${name}`, paint);
  paint();
  el.append(root);
  model.send({ kind: "ready" }); // Python answers with its state, in case an earlier message was lost
}

export default { render };
