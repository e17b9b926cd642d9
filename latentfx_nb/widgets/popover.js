// A list over the stage: a search field, entries to press, and what holds for all of them.
import { part, rowOf, saying } from "./entries.js";
import { canChoose, counts, entriesOf, matching, moved, pressed, withAll, withNone } from "./picks.js";

const MOST_DRAWN = 300;
const SIDE = 8;
const NARROW = 760;

/** Return where a list of `size` stands beside `button`, inside of `room`: rectangles of the window. */
export function placeOf(button, size, room, inRail) {
  const left = inRail ? button.right + 2 * SIDE : button.left;
  const top = inRail ? button.top - SIDE : button.bottom + SIDE / 2;
  const within = (at, low, high) => Math.max(low, Math.min(at, high));
  return {
    left: within(left, room.left + SIDE, room.right - size.width - SIDE) - room.left,
    top: within(top, room.top + SIDE, room.bottom - size.height - SIDE) - room.top,
  };
}

/** The list of a picker while it is open. `button` opened it, and has the focus again when it closes. */
export class Popover {
  constructor(model, button, closed) {
    Object.assign(this, { model, button, closed, active: -1, steered: false });
    this.root = part("div", "lfx-popover", "", { role: "dialog", ariaLabel: model.get("description") });
    this.root.dataset.lmSuppressShortcuts = "true"; // JupyterLab's single-key commands stay out
    this.build();
    this.stops = this.listen();
    (button.closest(".latentfx-panel") ?? document.body).append(this.root);
    this.draw();
    this.activate(this.shown.findIndex((entry) => entry.number === this.chosen[0]));
    this.place();
    this.search.focus();
  }

  get chosen() {
    return this.model.get("_chosen");
  }

  get rules() {
    return { several: this.model.get("several"), most: this.model.get("most") };
  }

  build() {
    const id = `lfx-list-${this.model.get("_address")}`;
    const hints = { type: "search", placeholder: "Search", autocomplete: "off" };
    this.search = part("input", "lfx-search", "", hints);
    this.search.ariaLabel = `Search ${this.model.get("description")}`;
    this.search.setAttribute("role", "combobox");
    this.search.setAttribute("aria-controls", id);
    this.search.ariaExpanded = "true";
    this.list = part("ul", "lfx-list", "", { id, role: "listbox", ariaLabel: this.model.get("description") });
    this.list.ariaMultiSelectable = `${this.rules.several}`;
    this.list.onmousedown = (event) => event.preventDefault(); // the keys stay with the search field
    this.foot = part("div", "lfx-foot");
    this.count = part("span", "lfx-count", "", { role: "status" });
    this.foot.append(this.count, ...(this.rules.several ? this.forAll() : []));
    this.root.append(this.search, this.list, this.foot);
  }

  forAll() {
    const button = (text, after) => {
      const made = part("button", "lfx-link", text, { type: "button" });
      made.onclick = () => this.choose(after(this.shown, this.chosen, this.rules));
      return made;
    };
    return [button("All", withAll), button("None", withNone)];
  }

  listen() {
    const outside = (event) => {
      if (!this.root.contains(event.target) && !this.button.contains(event.target)) this.close(false);
    };
    const resized = () => this.place();
    this.root.onkeydown = (event) => this.key(event);
    this.search.oninput = () => {
      this.steered = false;
      this.draw();
      this.activate(this.search.value && this.shown.length ? 0 : -1);
    };
    document.addEventListener("pointerdown", outside, true);
    window.addEventListener("resize", resized);
    return () => {
      document.removeEventListener("pointerdown", outside, true);
      window.removeEventListener("resize", resized);
    };
  }

  /** Draw the entries that match what is searched. */
  draw() {
    this.shown = matching(entriesOf(this.model), this.search.value);
    const rows = this.shown.slice(0, MOST_DRAWN).map((entry, place) => this.row(entry, place));
    const left = this.shown.length - rows.length;
    if (left) rows.push(saying(`${left} more: search for them`));
    if (!this.shown.length) rows.push(saying("Nothing is called so."));
    const { scrollTop } = this.list;
    this.list.replaceChildren(...rows);
    this.list.scrollTop = scrollTop;
    this.count.textContent = counts(entriesOf(this.model), this.chosen, this.rules);
    this.mark();
  }

  row(entry, place) {
    const looks = {
      ...this.rules,
      ticked: this.chosen.includes(entry.number),
      able: canChoose(entry, this.chosen, this.rules),
      playable: this.model.get("playable"),
      sounds: this.model.get("_playing") === entry.number,
    };
    const press = () => {
      this.activate(place);
      this.press(entry);
    };
    return rowOf(entry, `${this.list.id}-${entry.number}`, looks, { press, play: () => this.play(entry) });
  }

  play(entry) {
    if (this.model.get("playable") && !entry.reason) this.model.send({ kind: "play", number: entry.number });
  }

  press(entry) {
    const able = canChoose(entry, this.chosen, this.rules);
    this.choose(pressed(entry, this.chosen, this.rules));
    if (able && !this.rules.several) this.close();
  }

  choose(numbers) {
    this.model.set("_chosen", numbers);
    this.model.save_changes();
  }

  activate(place) {
    this.active = place;
    this.mark();
  }

  mark() {
    const rows = [...this.list.querySelectorAll(".lfx-entry")];
    rows.forEach((row, place) => row.classList.toggle("lfx-active", place === this.active));
    this.search.setAttribute("aria-activedescendant", rows[this.active]?.id ?? "");
    rows[this.active]?.scrollIntoView({ block: "nearest" });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (this.did(event)) event.preventDefault();
    event.stopPropagation();
  }

  /** Do what a key means; return whether it means anything here. */
  did(event) {
    const place = moved(event.key, this.active, Math.min(this.shown.length, MOST_DRAWN));
    const entry = this.shown[this.active];
    if (event.key === "Escape") this.close();
    else if (event.target.localName === "button") return false;
    else if (place !== null) this.steer(place);
    else if (event.key === "Enter" && entry) this.press(entry);
    else if (event.key === " " && entry && (this.steered || !this.search.value)) this.press(entry);
    else if (event.key === "ArrowRight" && entry && this.atEnd()) this.play(entry);
    else return false;
    return true;
  }

  steer(place) {
    this.steered = true;
    this.activate(place);
  }

  atEnd() {
    return this.search.selectionStart === this.search.value.length;
  }

  place() {
    const panel = this.root.parentElement;
    if (panel.clientWidth < NARROW && window.innerWidth < NARROW) return this.root.removeAttribute("style");
    const room = panel.getBoundingClientRect();
    const stage = panel.querySelector(".lfx-stage")?.getBoundingClientRect() ?? room;
    const seen = { left: Math.max(room.left, 0), right: Math.min(room.right, window.innerWidth) };
    const high = { top: Math.max(room.top, 0), bottom: Math.min(stage.bottom, window.innerHeight) };
    const size = this.root.getBoundingClientRect();
    const inRail = Boolean(this.button.closest(".lfx-rail"));
    const button = this.button.getBoundingClientRect();
    const { left, top } = placeOf(button, size, { ...seen, ...high }, inRail);
    this.root.style.left = `${Math.round(left + seen.left - room.left)}px`;
    this.root.style.top = `${Math.round(top + high.top - room.top)}px`;
  }

  close(focus = true) {
    this.stops();
    this.root.remove();
    if (focus) this.button.focus();
    this.closed();
  }
}
