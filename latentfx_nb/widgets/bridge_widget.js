// The bridge of a page: it keeps widgets listening, saves, names and fits figures, tells Python of the theme,
// and moves markers with the sound.
import { fills, isDark, keepListening, nameFigures, onTheme, plotOf, plots, savePicture } from "./bridge.js";
import { followSound } from "./markers.js";

function watch(model) {
  const listen = () => model.get("_watched").forEach((id) => keepListening(model.widget_manager, id));
  model.on("change:_watched", listen);
  listen();
}

async function answer(model, message) {
  if (message?.kind !== "picture") return;
  const plot = await plotOf(await model.widget_manager.get_model(message.figure));
  if (plot) savePicture(plot, message.format, message.name);
}

function tellTheme(model) {
  if (isDark() === model.get("dark")) return;
  model.set("dark", isDark());
  model.save_changes();
}

/** Name the figures as they are drawn; return how to stop that. */
function nameAsDrawn() {
  let asked = false;
  const name = () => {
    asked = false;
    nameFigures();
  };
  const observer = new MutationObserver(() => {
    if (!asked) requestAnimationFrame(name);
    asked = true;
  });
  observer.observe(document.body, { childList: true, subtree: true });
  nameFigures();
  return () => observer.disconnect();
}

/** Let the figures fill the page when it is shown, or its width changes; return how to stop that. */
function fitFigures(root) {
  const observer = new ResizeObserver(() => {
    if (!plots().every(fills)) window.dispatchEvent(new Event("resize"));
  });
  observer.observe(root);
  return () => observer.disconnect();
}

function initialize({ model }) {
  watch(model);
  model.on("msg:custom", (message) => answer(model, message));
  const endings = [followSound(model), nameAsDrawn(), onTheme(() => tellTheme(model))];
  tellTheme(model);
  model.send({ kind: "ready" }); // Python answers with its state, in case an earlier message was lost
  return () => endings.forEach((end) => end());
}

function render({ el }) {
  const root = document.createElement("div");
  root.className = "latentfx-bridge";
  el.append(root);
  return fitFigures(root);
}

export default { initialize, render };
