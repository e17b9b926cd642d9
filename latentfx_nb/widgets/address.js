// The page's address: what is chosen stands in it, goes along the links to other pages, and can be copied.
// Python says what stands in it; the browser keeps beside that what the page has no field for: the theme,
// the camera, and the fields of other pages.
import { onFigures } from "./bridge.js";

const BAR = ".lfx-bar a[data-page], .latentfx-see a[data-page]";
const CARDS = ".latentfx-cards a";
const COPY = '.lfx-bar button[data-lfx="copy"]';
const DELAY_MS = 300;
const SAID_MS = 2500;
export const NARROW_PX = 760; // the width below which a page is a phone's, as in frame.css
const NAME = /^[a-z_]{1,24}$/;
const SECRET = /token|secret|password|session|auth|xsrf|visit/;

/** Say whether the page is a dashboard's, whose address is the page's own. */
export const onDashboard = () => document.querySelector(".lfx-dashboard") !== null;

/** Say whether the browser draws in three dimensions; the dashboard's frame may know. */
function hasWebgl() {
  const known = document.documentElement?.dataset?.lfxWebgl;
  if (known !== undefined) return known === "true";
  const canvas = document.createElement("canvas");
  return Boolean(canvas.getContext?.("webgl") ?? canvas.getContext?.("experimental-webgl"));
}

/** Return what Python is told of the browser once it listens. */
export function aboutBrowser() {
  const narrow = window.innerWidth < NARROW_PX;
  return { kind: "ready", query: location.search, webgl: hasWebgl(), narrow, dashboard: onDashboard() };
}

function textOf(parameters) {
  const text = parameters.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
  return text && `?${text}`;
}

/** Return the query `search` with `fields`: name to value, or to null for what no longer stands in it. */
export function merged(search, fields) {
  const parameters = new URLSearchParams(search);
  for (const [name, value] of Object.entries(fields)) {
    if (value === null) parameters.delete(name);
    else parameters.set(name, value);
  }
  return textOf(parameters);
}

/** Return the query of a link whose `own` one goes before the page's; but there is one theme. */
export function carried(own, search) {
  const fields = Object.fromEntries(new URLSearchParams(own));
  if (new URLSearchParams(search).has("theme")) delete fields.theme;
  return merged(search, fields);
}

/** Return an address for others, and whether the visitor's own files were left out of it. */
export function shareable(href) {
  const url = new URL(href);
  const own = url.searchParams.get("clips") === "own";
  const told = [...url.searchParams].filter(([name]) => NAME.test(name) && !SECRET.test(name));
  const kept = told.filter(([name, value]) => !(name === "clips" && value === "own"));
  return { address: url.origin + url.pathname + textOf(new URLSearchParams(kept)), own };
}

/** Return plotly's camera as it stands in an address: where the eye is, and what is up. */
export function cameraText({ eye, up }) {
  const numbers = [eye, up].flatMap(({ x, y, z }) => [x, y, z]);
  return numbers.map((one) => Number(one.toFixed(2))).join(",");
}

/** Put the page's query on every link to another page; cards may ask for something of their own. */
function carry() {
  const { search } = location;
  for (const link of document.querySelectorAll(BAR)) link.search = search;
  for (const link of document.querySelectorAll(CARDS)) {
    link.dataset.own ??= link.search;
    link.search = carried(link.dataset.own, search);
  }
}

/** Let a button say something for a while. */
function say(button, words) {
  if (button.dataset.saying) return;
  const before = [...button.childNodes];
  button.dataset.saying = "true";
  button.replaceChildren(words);
  setTimeout(() => {
    button.replaceChildren(...before);
    delete button.dataset.saying;
  }, SAID_MS);
}

/** Show an address, selected: browsers copy nothing by themselves on pages without encryption. */
function showAddress(button, address) {
  const field = document.createElement("input");
  Object.assign(field, { className: "lfx-address", value: address, readOnly: true });
  field.ariaLabel = "Address of this page";
  field.onblur = () => field.remove();
  field.onkeydown = ({ key }) => key === "Escape" && button.focus();
  button.after(field);
  field.focus();
  field.select();
}

async function copy(button) {
  const { address, own } = shareable(location.href);
  const without = own ? ", without your own files" : "";
  try {
    await navigator.clipboard.writeText(address);
    say(button, `Copied${without}`);
  } catch {
    say(button, `Copy this${without}`);
    showAddress(button, address);
  }
}

/** What is to stand in the address, written once nothing more has come for a while. */
class Pen {
  fields = {};

  add(fields) {
    Object.assign(this.fields, fields);
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.write(), DELAY_MS);
  }

  write() {
    clearTimeout(this.waiting);
    const search = merged(location.search, this.fields);
    this.fields = {};
    const { pathname, hash } = location;
    if (search !== location.search) history.replaceState(history.state, "", pathname + search + hash);
    carry();
  }
}

/** Tell of the camera of each figure's first scene whenever it was turned; return how to stop that. */
function onCamera(turned) {
  return onFigures((plot) => {
    plot.on("plotly_relayout", (event) => event["scene.camera"] && turned(cameraText(event["scene.camera"])));
  });
}

function listen(events) {
  for (const [target, name, listener] of events) target.addEventListener(name, listener, true);
  return () => events.forEach(([target, name, listener]) => target.removeEventListener(name, listener, true));
}

/** Keep the address of a dashboard's page as Python's `model.address` says; return how to stop that. */
export function keepAddress(model) {
  const pen = new Pen();
  const turned = (camera) => {
    model.send({ kind: "camera", camera });
    if (onDashboard()) pen.add({ camera });
  };
  const stopCamera = onCamera(turned);
  if (!onDashboard()) return stopCamera;
  const write = () => pen.write(); // links that came meanwhile get what is written by now
  const press = ({ target }) => {
    const button = target.closest?.(COPY);
    write();
    if (button) copy(button);
  };
  const returned = ({ persisted }) => persisted && location.reload(); // its kernel has ended when it was left
  model.on("change:address", () => pen.add(model.get("address")));
  pen.add(model.get("address"));
  const presses = [
    [document, "pointerdown", write],
    [document, "focusin", write],
    [document, "click", press],
  ];
  const stop = listen([...presses, [window, "pageshow", returned]]);
  return () => [stopCamera, stop].forEach((end) => end());
}
