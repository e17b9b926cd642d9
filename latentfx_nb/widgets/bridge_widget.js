// The bridge of a page: it keeps widgets listening, saves, names and fits figures, tells Python of the theme,
// and moves markers with the sound.
import { followKnob } from "./along.js";
import { NARROW_PX, aboutBrowser, keepAddress } from "./address.js";
import { fills, keepListening, nameFigure, onFigures, plotOf, plots, savePicture } from "./bridge.js";
import { figureOf, isDark, onKernel, onTheme, restyleTraces } from "./bridge.js";
import { openCoach } from "./coach.js";
import { openDrawer } from "./frame.js";
import { drawLegends } from "./legend.js";
import { followSound } from "./markers.js";
import { tellPoints } from "./picking.js";
import { saveFile } from "./saving.js";
import { onKeys } from "./shortcuts.js";
import { nameParts } from "./speaking.js";
import { dropEmptyTips } from "./tips.js";
import { tellVisit } from "./visit.js";
import { tameWheel } from "./wheel.js";

function watch(model) {
  const listen = () => model.get("_watched").forEach((id) => keepListening(model.widget_manager, id));
  model.on("change:_watched", listen);
  listen();
}

async function answer(model, message, buffers) {
  if (message?.kind === "save") saveFile(message, buffers);
  if (message?.kind !== "picture") return;
  const plot = await plotOf(await model.widget_manager.get_model(message.figure));
  if (plot) savePicture(plot, message.format, message.name);
}

function tellTheme(model) {
  if (isDark() === model.get("dark")) return;
  model.set("dark", isDark());
  model.save_changes();
}

/** Tell the page around the widgets, which is the dashboard's template, whether the kernel can be reached. */
function tellReached(reached) {
  document.dispatchEvent(new CustomEvent("latentfx:kernel", { detail: { reached } }));
}

/** Tell Python whether the page is narrow, now and whenever that changes; return how to stop that. */
function tellWidth(model) {
  const query = window.matchMedia(`(max-width: ${NARROW_PX - 1}px)`);
  const tell = () => {
    if (query.matches === model.get("narrow")) return;
    model.set("narrow", query.matches);
    model.save_changes();
  };
  query.addEventListener("change", tell);
  tell();
  return () => query.removeEventListener("change", tell);
}

/** Let the figures fill their places when these are shown, or change their size; return how to stop that. */
function fitFigures() {
  const fit = () => {
    if (!plots().every(fills)) window.dispatchEvent(new Event("resize"));
  };
  const observer = new ResizeObserver(fit);
  const stop = onFigures((plot) => {
    observer.observe(plot.parentElement);
    plot.once?.("plotly_afterplot", fit);
    fit(); // one that takes the place of another is in a box that does not change
  });
  return () => {
    stop();
    observer.disconnect();
  };
}

/** Return a function that changes traces of a drawn figure of the page in the page alone. */
function restyler(model) {
  return async (plot, traces, properties) => {
    const watched = model.get("_watched").map((id) => model.widget_manager.get_model(id));
    const figure = await figureOf(plot, await Promise.all(watched));
    if (figure) restyleTraces(figure, traces, properties);
  };
}

function initialize({ model }) {
  watch(model);
  model.on("msg:custom", (message, buffers) => answer(model, message, buffers));
  const theme = onTheme(() => tellTheme(model));
  const endings = [followSound(model), onFigures(nameFigure), theme, keepAddress(model)];
  tellTheme(model);
  model.send(aboutBrowser()); // Python answers with its state, in case an earlier message was lost
  endings.push(tellVisit(model), tellWidth(model), onKernel(model.widget_manager, tellReached));
  return () => endings.forEach((end) => end());
}

function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "latentfx-bridge";
  el.append(root);
  const panel = () => el.closest(".latentfx-panel");
  const wanted = ({ kind }) => kind !== "hover" || model.get("previews");
  const points = tellPoints(panel, (point) => wanted(point) && model.send(point));
  const along = followKnob(model, (words) => {
    for (const place of panel()?.querySelectorAll(".lfx-exactness") ?? []) place.textContent = words;
  });
  const keys = onKeys(panel, (message) => model.send(message));
  const figures = [fitFigures(), drawLegends(panel, restyler(model)), tameWheel(panel), dropEmptyTips(panel)];
  const endings = [points, along, keys, openDrawer(panel), openCoach(panel), nameParts(panel), ...figures];
  return () => endings.forEach((end) => end());
}

export default { initialize, render };
