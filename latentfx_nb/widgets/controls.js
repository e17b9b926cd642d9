// What a player shows: its title, play, the waveform with the place that sounds, the sides, loop and volume.
import { SIDES } from "./sounds.js";
import { WAVEFORM, drawWaveform } from "./waveform.js";

const HINTS = {
  dry: "The clip without the effect (1)",
  wet: "The clip through the effect (2)",
  decoded: "What the model's decoder makes of the latents (3)",
  algebra: "What it makes of latents that were moved (4)",
};
const ALWAYS_SHOWN = ["dry", "wet"];
const STEPS_S = { ArrowLeft: -0.25, ArrowDown: -0.25, ArrowRight: 0.25, ArrowUp: 0.25 };

const icon = (path) => `<svg viewBox="0 0 16 16" aria-hidden="true"><path d="${path}"/></svg>`;
const PLAY = icon("M4 2.5v11l9-5.5z");
const PAUSE = icon("M4 3h3v10H4zM9 3h3v10H9z");
const LOOP = icon("M4 4h7V2l3.5 3L11 8V6H5v3H3V5zM12 12H5v2l-3.5-3L5 8v2h6V7h2v4z");
const VOLUME = icon("M2 6h3l4-3.5v11L5 10H2zM11 5.5a3.5 3.5 0 0 1 0 5z");

const sideButton = (side) => `<button type="button" data-side="${side}" title="${HINTS[side]}"></button>`;
const MARKUP = `
  <div class="lfx-deck">
    <button type="button" class="lfx-play" title="Play or pause (Space)"></button>
    <div class="lfx-heading"><span class="lfx-title"></span><span class="lfx-level"></span></div>
    <div class="lfx-clock"></div>
    <div class="lfx-wave">
      ${WAVEFORM}
      <div class="lfx-playhead"></div>
      <input type="range" class="lfx-seek" min="0" step="0.01" aria-label="Position in seconds">
    </div>
    <div class="lfx-sides" role="group" aria-label="Which sound is heard">
      ${SIDES.map(sideButton).join("")}</div>
    <div class="lfx-row">
      <button type="button" class="lfx-loop" aria-label="Loop" title="Loop (L)">${LOOP}</button>
      <label class="lfx-volume" title="Volume">${VOLUME}
        <input type="range" max="1" step="0.01" aria-label="Volume">
      </label>
    </div>
  </div>`;

/** Return the root element of the controls and its parts, by name. */
function build() {
  const root = document.createElement("div");
  root.className = "latentfx-player";
  root.dataset.lmSuppressShortcuts = "true"; // JupyterLab's single-key commands stay out of the controls
  root.innerHTML = MARKUP;
  const find = (name) => root.querySelector(`.lfx-${name}`);
  const names = ["title", "level", "play", "seek", "clock", "loop", "waveform", "playhead"];
  const parts = Object.fromEntries(names.map((name) => [name, find(name)]));
  return { root, ...parts, volume: find("volume input"), sides: [...root.querySelectorAll("[data-side]")] };
}

function connect(parts, model, engine) {
  const set = (name, value) => {
    model.set(name, value);
    model.save_changes();
  };
  parts.play.onclick = () => set("playing", !model.get("playing"));
  parts.loop.onclick = () => set("loop", !model.get("loop"));
  for (const button of parts.sides) {
    button.onclick = () => {
      set("listening", button.dataset.side);
      engine.want();
    };
  }
  parts.seek.oninput = () => engine.seek(Number(parts.seek.value));
  parts.seek.onchange = () => engine.want();
  parts.seek.onkeydown = (event) => {
    if (!(event.key in STEPS_S)) return;
    event.preventDefault();
    engine.seek(Math.min(engine.length(), Math.max(0, engine.position() + STEPS_S[event.key])));
    engine.want();
  };
  parts.volume.oninput = () => set("volume", Number(parts.volume.value));
}

function paintButtons({ root, play, seek, loop, sides }, model, engine) {
  const playing = model.get("playing");
  if (root.dataset.playing !== `${playing}`) play.innerHTML = playing ? PAUSE : PLAY;
  play.ariaLabel = playing ? "Pause" : "Play";
  play.disabled = seek.disabled = !engine.length();
  loop.ariaPressed = model.get("loop");
  for (const button of sides) {
    const { side } = button.dataset;
    button.textContent = model.get("labels")[side];
    button.ariaPressed = side === model.get("listening");
    button.hidden = !engine.sounds[side]?.buffer && !ALWAYS_SHOWN.includes(side);
  }
}

function paintPosition({ seek, clock, volume, playhead }, model, engine) {
  const at_s = engine.position();
  const length_s = engine.length();
  [seek.max, seek.value, volume.value] = [length_s, at_s, model.get("volume")];
  seek.ariaValueText = `${at_s.toFixed(1)} of ${length_s.toFixed(1)} seconds`;
  clock.textContent = `${at_s.toFixed(1)} / ${length_s.toFixed(1)} s`;
  playhead.style.left = `${length_s ? (100 * at_s) / length_s : 0}%`;
}

function paintTitle({ title, level }, model, engine) {
  const nothing = engine.length() || engine.pending ? "" : "No sound loaded yet";
  title.textContent = engine.problem || model.get("title") || nothing;
  title.title = title.textContent;
  const lufs = model.get("loudness_lufs");
  level.textContent = typeof lufs === "number" ? `· ${lufs.toFixed(0).replace("-", "−")} LUFS` : "";
}

/** Draw the side that is heard in front of the one to compare it with, if they are others than before. */
function paintWaveform({ waveform, drawn }, model, { sounds }) {
  const listening = model.get("listening");
  const pair = [sounds[listening]?.buffer, sounds[listening === "dry" ? "wet" : "dry"]?.buffer];
  if (drawn.length && pair.every((buffer, i) => buffer === drawn[i])) return;
  drawn.splice(0, 2, ...pair);
  drawWaveform(waveform, ...pair);
}

/** Say how the player stands in attributes of its element, for style sheets and tests. */
function paintState({ root }, model, engine) {
  for (const side of SIDES) root.dataset[side] = engine.sounds[side]?.buffer ? engine.sounds[side].code : "";
  root.dataset.ready = !engine.pending && model.get("ready");
  root.dataset.playing = model.get("playing");
  root.dataset.listening = model.get("listening");
  root.dataset.duration = engine.duration().toFixed(3);
  root.dataset.time = engine.position().toFixed(3);
  root.dataset.loading = model.get("playing") && !engine.playing();
}

/** Let the playhead run from one painting of the screen to the next while the sound plays. */
function running(parts, model, engine) {
  let asked = false;
  const step = () => {
    asked = false;
    if (!engine.playing() || !parts.root.isConnected) return;
    paintPosition(parts, model, engine);
    go();
  };
  const go = () => {
    if (!asked && engine.playing()) requestAnimationFrame(step);
    asked ||= engine.playing();
  };
  return go;
}

/** Show the controls of `engine` in `el`; return how to take them away. */
export function drawControls(model, el, engine) {
  const parts = { ...build(), drawn: [] };
  connect(parts, model, engine);
  const run = running(parts, model, engine);
  const paint = () => {
    paintButtons(parts, model, engine);
    paintPosition(parts, model, engine);
    paintTitle(parts, model, engine);
    paintWaveform(parts, model, engine);
    paintState(parts, model, engine);
    run();
  };
  engine.events.addEventListener("change", paint);
  el.append(parts.root);
  paint();
  return () => engine.events.removeEventListener("change", paint);
}
