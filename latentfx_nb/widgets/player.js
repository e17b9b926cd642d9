// Two to four sounds on one clock: all always run, and A/B only fades between their gains.
const TICK_MS = 66, LEAD_S = 0.01, FADE_S = 0.0025; // FADE_S is a time constant: 95 % of a crossfade in 7.5 ms
const SIDES = ["dry", "wet", "decoded", "algebra"], SVG = (path) => `<svg viewBox="0 0 16 16" aria-hidden="true"><path d="${path}"/></svg>`;
const [PLAY, PAUSE, LOOP, VOLUME] = ["M4 2.5v11l9-5.5z", "M4 3h3v10H4zM9 3h3v10H9z",
  "M4 4h7V2l3.5 3L11 8V6H5v3H3V5zM12 12H5v2l-3.5-3L5 8v2h6V7h2v4z", "M2 6h3l4-3.5v11L5 10H2zM11 5.5a3.5 3.5 0 0 1 0 5z"].map(SVG);
const HINTS = { decoded: "What the model's decoder makes of the latents", algebra: "What it makes of latents that were moved" };
function adler32(view) {
  let low = 1, high = 0;
  for (let i = 0; i < view.byteLength; i++) { low = (low + view.getUint8(i)) % 65521; high = (high + low) % 65521; }
  return (high * 65536 + low).toString(16).padStart(8, "0");
}
// anywidget drops every message to a model whose module took over 2 s to start; from here on such a model hears again.
async function keepListening(manager, id) {
  const model = await manager?.get_model(id), core = Object.getPrototypeOf(model?.constructor.prototype ?? {});
  if (!core._handle_comm_msg || !model.comm?.on_msg || model.latentfxHears) return;
  model.latentfxHears = true;
  model.comm.on_msg((message) => model._handle_comm_msg(message).catch(() => core._handle_comm_msg.call(model, message)));
  // Changes that wait for a busy kernel are merged, so that a hover after a click would take the click's place.
  const { save } = model;
  model.save = (changes, options) => {
    if (/hover$/.test(changes?._js2py_pointsCallback?.event_type)) delete changes._js2py_pointsCallback;
    return save.call(model, changes, options);
  };
}
function makeEngine(model) {
  const engine = { events: new EventTarget(), sounds: {}, pending: true, problem: "" }, { events } = engine;
  let context, master, pair, timer, offset = 0, startedAt = 0, round = 0;
  const tell = () => events.dispatchEvent(new Event("change"));
  const report = () => { model.set("time_s", Math.round(engine.position() * 1000) / 1000); model.save_changes(); tell(); };
  engine.playing = () => Boolean(pair);
  engine.duration = () => engine.sounds.wet?.buffer && engine.sounds.dry?.buffer?.duration || 0;
  // Sounds that are offered have a length, too; Python makes them once they are wanted, and then they are loaded.
  engine.length = () => engine.duration() || model.get("_offered_s");
  engine.want = async () => {
    await null; // what was pressed is told first
    if (!engine.duration()) model.send({ kind: "wanted" });
  };
  engine.position = () => {
    const at = pair ? Math.max(offset, offset + context.currentTime - startedAt) : offset, length = engine.length();
    return pair?.loop && length ? at % length : Math.min(at, length);
  };
  const glide = (node, value, when) => node?.gain.setTargetAtTime(value, when ?? context.currentTime, FADE_S);
  function release(when = context?.currentTime) { // no context before the first play
    glide(pair?.bus, 0, when);
    SIDES.forEach((side) => pair?.sources[side].stop(when + 8 * FADE_S));
    pair = undefined;
  }
  function wake() {
    context ??= new AudioContext({ sampleRate: 48000 });
    if (!master) (master = new GainNode(context, { gain: model.get("volume") })).connect(context.destination);
    context.resume();
  }
  function start(at) {
    wake();
    const next = { loop: model.get("loop"), bus: new GainNode(context, { gain: 0 }), gains: {}, sources: {} };
    const when = context.currentTime + LEAD_S, from = at >= engine.duration() - LEAD_S ? 0 : at + (pair ? LEAD_S : 0);
    for (const side of SIDES) {
      next.gains[side] = new GainNode(context, { gain: +(model.get("listening") === side) });
      next.sources[side] = new AudioBufferSourceNode(context, { buffer: engine.sounds[side].buffer, loop: next.loop });
      next.sources[side].connect(next.gains[side]).connect(next.bus).connect(master);
      next.sources[side].start(when, from);
    }
    next.sources.dry.onended = () => { if (pair === next) { pair = undefined; offset = engine.duration(); follow(false); } };
    glide(next.bus, 1, when);
    release(when);
    [pair, offset, startedAt] = [next, from, when];
    clearInterval(timer);
    timer = setInterval(report, TICK_MS);
  }
  function follow(playing) {
    if (playing && engine.duration()) return pair || start(offset), report();
    if (playing && engine.length()) return wake(), engine.want(), tell(); // some browsers let a press alone wake it
    if (pair) { offset = engine.position(); release(); }
    clearInterval(timer);
    model.set("playing", false);
    report();
  }
  async function refresh() {
    const mine = ++round, next = {};
    let problem = "";
    engine.pending = true;
    await null; // the sounds of one message are one change
    for (const side of SIDES) {
      const bytes = model.get(side), code = adler32(bytes), known = SIDES.map((s) => engine.sounds[s]).find((s) => s?.code === code);
      const flac = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength); // decoding empties its input
      const decode = () => new OfflineAudioContext(2, 1, 48000).decodeAudioData(flac).catch((error) => { problem = error.message; });
      next[side] = known ?? { code, buffer: bytes.byteLength ? await decode() : undefined };
    }
    if (mine !== round) return; // newer sounds have arrived meanwhile
    const at = engine.position();
    Object.assign(engine, { sounds: next, pending: false, problem: problem && `This browser cannot decode the sound: ${problem}` });
    if (engine.duration() && model.get("playing")) start(at); else if (pair || problem) follow(false);
    offset = Math.min(offset, engine.length());
    tell();
  }
  engine.seek = (at) => { release(); offset = at; if (model.get("playing") && engine.duration()) start(at); report(); };
  engine.heard = (ahead_s) => {
    if (!pair) return engine.position();
    const at = Math.max(0, engine.position() + ahead_s - (context.outputLatency || 0)), length = engine.duration();
    return pair.loop ? at % length : Math.min(at, length);
  };
  model.on("msg:custom", (message) => {
    if (message?.kind === "seek") engine.seek(Math.min(message.time_s, engine.length()));
    if (message?.kind === "picture") savePicture(message);
  });
  model.on("change:playing", () => follow(model.get("playing")));
  model.on("change:listening", () => SIDES.forEach((side) => glide(pair?.gains[side], +(model.get("listening") === side))));
  model.on("change:volume", () => glide(master, model.get("volume")));
  model.on("change:loop", () => pair && start(engine.position()));
  model.on("change:listening change:volume change:loop change:title change:labels change:ready change:_offered_s", tell);
  model.on(SIDES.map((side) => `change:${side}`).join(" "), refresh);
  model.set("playing", false); // a page that opens never sounds by itself
  model.get("_hearers").forEach((id) => keepListening(model.widget_manager, id));
  model.on("change:_hearers", () => model.get("_hearers").forEach((id) => keepListening(model.widget_manager, id)));
  refresh();
  engine.close = () => { round++; clearInterval(timer); context?.close(); };
  return engine;
}
// A figure tells a screen reader what it is.
function nameFigures() {
  for (const plot of document.querySelectorAll(".js-plotly-plot:not([aria-label])")) {
    const words = plot.layout?.meta?.words;
    if (words) { plot.role = "group"; plot.ariaLabel = words; }
  }
}
// plotly's own camera button, with another format for once.
function savePicture({ figure, format, name }) {
  const plot = [...document.querySelectorAll(".js-plotly-plot")].find((one) => one.layout?.meta?.figure === figure);
  const options = plot?._context.toImageButtonOptions, camera = plot?.querySelector('.modebar-btn[data-title^="Download"]');
  if (!camera) return;
  plot._context.toImageButtonOptions = { ...options, format, filename: name };
  camera.click();
  plot._context.toImageButtonOptions = options;
}
// The markers of a figure's trace go where the sound is. They are set in the page's own model of the figure, as a message
// of the kernel's would, and the next ones wait until these are painted, so that a slow screen never lags behind. While
// the sound plays they aim at where it will be in the middle of the time for which they are seen.
function moveMarkers(model, engine) {
  let busy = false, wanted = false, closed = false, shown, took_s = 0;
  const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  async function move() {
    const track = model.get("_track"), figure = track.figure && await model.widget_manager?.get_model(track.figure);
    if (!figure?.set_state) return painted();
    const [markers, frames, axes] = track.shape, { buffer, byteOffset } = track.points;
    const frame = Math.max(0, Math.min(frames - 1, Math.round((engine.heard(1.5 * took_s) - track.first_s) / track.step_s)));
    if (shown?.track === track && shown.frame === frame) return painted();
    shown = { track, frame };
    const all = new DataView(buffer, byteOffset), place = (marker, axis) => all.getFloat32(4 * ((marker * frames + frame) * axes + axis), true);
    const data = Object.fromEntries(["x", "y", "z"].slice(0, axes).map((name, axis) =>
      [name, [Array.from({ length: markers }, (_, marker) => place(marker, axis))]]));
    const begun = performance.now();
    figure.set_state({ _py2js_restyle: { restyle_data: data, restyle_traces: [track.trace],
      trace_edit_id: figure.get("_last_trace_edit_id"), layout_edit_id: figure.get("_last_layout_edit_id") } });
    await painted();
    took_s += 0.3 * (Math.min(1, (performance.now() - begun) / 1000) - took_s);
  }
  async function follow() {
    wanted = true;
    if (busy || !model.get("_track").figure) return;
    busy = true;
    try {
      while (!closed && (wanted || engine.playing())) { // what is wanted while it paints comes next
        wanted = false;
        await move();
      }
    } finally { busy = false; }
  }
  engine.events.addEventListener("change", follow);
  model.on("change:_track", follow);
  return () => { closed = true; engine.events.removeEventListener("change", follow); };
}
function drawControls(model, el, engine) {
  const root = Object.assign(document.createElement("div"), { className: "latentfx-player" });
  root.dataset.lmSuppressShortcuts = "true"; // JupyterLab's single-key commands stay out of the controls
  root.innerHTML = `<div class="lfx-title"></div><div class="lfx-row"><button type="button" class="lfx-play"></button>
    <span class="lfx-sides" role="group" aria-label="Which sound is heard">
      ${SIDES.map((side) => `<button type="button" data-side="${side}" title="${HINTS[side] ?? ""}"></button>`).join("")}</span>
    <input type="range" class="lfx-bar" min="0" step="0.01" aria-label="Position in seconds"><span class="lfx-clock"></span>
    <button type="button" class="lfx-loop" aria-label="Loop" title="Loop">${LOOP}</button>
    <label class="lfx-volume" title="Volume">${VOLUME}<input type="range" max="1" step="0.01" aria-label="Volume"></label></div>`;
  const [title, play, bar, clock, loop, volume] = ["title", "play", "bar", "clock", "loop", "volume input"]
    .map((name) => root.querySelector(`.lfx-${name}`)), sides = [...root.querySelectorAll("[data-side]")];
  const set = (name, value) => { model.set(name, value); model.save_changes(); };
  play.onclick = () => set("playing", !model.get("playing"));
  loop.onclick = () => set("loop", !model.get("loop"));
  sides.forEach((button) => { button.onclick = () => { set("listening", button.dataset.side); engine.want(); }; });
  bar.oninput = () => engine.seek(+bar.value);
  bar.onchange = engine.want;
  volume.oninput = () => set("volume", +volume.value);
  const paint = () => {
    const playing = model.get("playing"), at = engine.position(), length = engine.length();
    if (root.dataset.playing !== `${playing}`) play.innerHTML = playing ? PAUSE : PLAY;
    play.ariaLabel = playing ? "Pause" : "Play";
    play.disabled = bar.disabled = !length;
    sides.forEach((button) => {
      const { side } = button.dataset, sound = engine.sounds[side]?.buffer;
      button.textContent = model.get("labels")[side];
      button.ariaPressed = side === model.get("listening");
      button.hidden = !sound && (side === "decoded" || side === "algebra");
    });
    loop.ariaPressed = model.get("loop");
    [bar.max, bar.value, volume.value] = [length, at, model.get("volume")];
    clock.textContent = `${at.toFixed(1)} / ${length.toFixed(1)} s`;
    title.textContent = engine.problem || model.get("title") || (length || engine.pending ? "" : "No sound loaded yet");
    SIDES.forEach((side) => { root.dataset[side] = engine.sounds[side]?.buffer ? engine.sounds[side].code : ""; });
    nameFigures();
    Object.assign(root.dataset, { ready: !engine.pending && model.get("ready"), playing, listening: model.get("listening"),
      duration: engine.duration().toFixed(3), time: at.toFixed(3) });
  };
  const still = moveMarkers(model, engine);
  engine.events.addEventListener("change", paint);
  paint();
  el.append(root);
  // Figures that were drawn while the page was still hidden look at the window's size only.
  const off = (plot) => plot._fullLayout && Math.abs(plot._fullLayout.width - plot.clientWidth) > 1;
  const grown = new ResizeObserver(() => {
    if ([...document.querySelectorAll(".js-plotly-plot")].some(off)) window.dispatchEvent(new Event("resize"));
  });
  grown.observe(root);
  // Figures take their theme from Python, which knows the page's from here: JupyterLab and Voila name it, and Colab.
  const tellTheme = () => {
    const dark = document.body.dataset.jpThemeLight === "false" || document.documentElement.getAttribute("theme") === "dark";
    if (dark !== model.get("dark")) set("dark", dark);
  };
  const theme = new MutationObserver(tellTheme);
  [document.body, document.documentElement].forEach((part) => theme.observe(part, { attributes: true, attributeFilter: ["data-jp-theme-light", "theme"] }));
  tellTheme();
  model.send({ kind: "ready" }); // Python answers with the sounds, in case an earlier message was lost
  return () => { still(); engine.events.removeEventListener("change", paint); grown.disconnect(); theme.disconnect(); };
}
export default () => {
  let engine;
  return {
    initialize: ({ model }) => { engine = makeEngine(model); return engine.close; },
    render: ({ model, el }) => drawControls(model, el, engine),
  };
};
