// A dial: a knob that is drawn, turned, typed, swept by itself and learnt by a MIDI device.
import { Knob, turnable } from "./knob.js";
import { hasMidi, learn } from "./midi.js";
import { paint, rotary } from "./rotary.js";
import { brief, inFull, inWords, spoken } from "./settings.js";
import { sweep } from "./sweep.js";

const HOW = "Drag up and down, with Shift for fine steps; double-click for the paper's setting";
const MARKUP = `
  <div class="lfx-dial-knob" role="slider" aria-orientation="vertical" title="${HOW}"></div>
  <div class="lfx-dial-side">
    <span class="lfx-dial-words"></span>
    <input class="lfx-dial-value" type="text" autocomplete="off" spellcheck="false">
    <span class="lfx-dial-tools">
      <button type="button" class="lfx-dial-start" title="The paper's setting (Home)"></button>
      <button type="button" class="lfx-dial-sweep" aria-pressed="false" aria-label="Sweep"
        title="Turn the knob by itself, from end to end and back">∿</button>
      <button type="button" class="lfx-dial-midi" aria-pressed="false"
        title="Turn it with a MIDI control">MIDI</button>
    </span>
  </div>
  <p class="lfx-dial-says" role="status"></p>`;

function build() {
  const root = document.createElement("div");
  root.className = "latentfx-dial";
  root.dataset.lmSuppressShortcuts = "true"; // JupyterLab's single-key commands stay out
  root.innerHTML = MARKUP;
  const names = ["knob", "words", "value", "start", "sweep", "midi", "says"];
  const parts = Object.fromEntries(names.map((name) => [name, root.querySelector(`.lfx-dial-${name}`)]));
  parts.svg = rotary();
  parts.knob.append(parts.svg);
  parts.midi.hidden = !hasMidi();
  return { root, ...parts };
}

/** Draw how the knob stands, and say it to assistive technology. */
export function show(parts, knob, model) {
  const { value, scale, disabled } = knob;
  const { low, high, unit } = scale;
  const name = model.get("words");
  paint(parts.svg, { value, start: knob.start, scale, ticks: model.get("ticks") });
  Object.assign(parts.root.dataset, { size: model.get("size"), value });
  Object.assign(parts.knob, { ariaLabel: name, ariaValueMin: low, ariaValueMax: high, ariaValueNow: value });
  Object.assign(parts.knob, { ariaValueText: spoken(value, unit), ariaDisabled: disabled });
  parts.knob.tabIndex = disabled ? -1 : 0;
  parts.words.textContent = name;
  parts.value.ariaLabel = `${name}, typed`;
  if (document.activeElement !== parts.value) parts.value.value = inWords(value, unit);
  parts.start.textContent = `↺ ${brief(knob.start, unit)}`;
  for (const part of ["value", "start", "sweep", "midi"]) parts[part].disabled = disabled;
}

/** Say why what was typed is refused; it shakes unless the page is to keep still (see the style sheet). */
function refuse({ root, value: input, says }, problem) {
  says.textContent = problem;
  input.ariaInvalid = Boolean(problem);
  delete root.dataset.refused;
  if (problem) requestAnimationFrame(() => (root.dataset.refused = "true"));
}

/** Let values be typed: Enter or leaving takes them, Escape and what is refused leave the old one. */
export function typing(parts, knob, redraw) {
  const { value: input } = parts;
  const take = () => {
    const problem = knob.type(input.value);
    refuse(parts, problem);
    return !problem;
  };
  const edit = () => {
    input.value = inFull(knob.value, knob.scale.unit);
    input.select();
  };
  input.onfocus = edit;
  input.onkeydown = (event) => {
    event.stopPropagation();
    if (event.key === "Escape") refuse(parts, "");
    if (event.key === "Enter" ? take() : event.key === "Escape") edit();
  };
  input.onblur = () => {
    if (input.ariaInvalid === "true") refuse(parts, "");
    else take();
    redraw();
  };
}

function sweeping({ sweep: button }, knob) {
  let stop;
  const ended = () => {
    stop = undefined;
    button.ariaPressed = false;
  };
  button.onclick = () => {
    if (stop) return stop();
    button.ariaPressed = true;
    stop = sweep(knob, ended);
  };
  return () => stop?.();
}

function learning({ midi: button, says }, knob) {
  let end;
  const say = (text) => (says.textContent = text);
  const forget = () => {
    end?.();
    end = undefined;
    button.ariaPressed = false;
    say("");
  };
  button.onclick = async () => {
    if (button.ariaPressed === "true") return forget();
    button.ariaPressed = true;
    try {
      end = await learn(knob, say);
    } catch {
      forget();
      say("The browser gives no access to MIDI devices.");
    }
  };
  return forget;
}

function render({ model, el }) {
  const parts = build();
  const knob = new Knob(model);
  const redraw = () => show(parts, knob, model);
  turnable(parts.knob, knob);
  parts.start.onclick = () => knob.byHand(knob.start);
  knob.hands.add(() => refuse(parts, ""));
  typing(parts, knob, redraw);
  const endings = [sweeping(parts, knob), learning(parts, knob)];
  model.on("change", redraw);
  redraw();
  el.append(parts.root);
  model.send({ kind: "ready" }); // Python answers with its state, in case an earlier message was lost
  return () => {
    model.off("change", redraw);
    endings.forEach((end) => end());
  };
}

export default { render };
