// Files go to the kernel one after the other; of those that are too large or cannot be read, only the names.
import { recordButton } from "./record_button.js";

const SHAPE = `<label class="latentfx-drop"><span></span><input type="file" multiple></label>
  <span class="latentfx-kept"><span></span><button type="button">×</button></span>
  <span class="latentfx-said" role="status"></span>`;

/** Return the row and its parts: the box, its words, the chooser over them, what is kept, what is said. */
function build(model) {
  const row = document.createElement("div");
  row.className = "latentfx-own";
  row.innerHTML = SHAPE;
  row.dataset.lmSuppressShortcuts = "true"; // JupyterLab's single-key commands stay out
  const [zone, kept, said] = row.children;
  const [words, input] = zone.children;
  input.accept = model.get("accept").join(",");
  return { row, zone, words, input, kept, said };
}

/**
 * Send `files` to Python, each with how many are still to come; `say(text)` tells how far they are.
 * Of a file that cannot be read, or with which they are over the limit, no content is sent.
 */
export async function send(model, files, say) {
  let total_bytes = 0;
  for (const [number, file] of files.entries()) {
    say(`Sending ${number + 1} of ${files.length} …`);
    total_bytes += file.size;
    const fits = total_bytes <= model.get("most_bytes");
    const content = fits ? await file.arrayBuffer().catch(() => undefined) : undefined;
    const left = files.length - 1 - number;
    model.send({ kind: "file", name: file.name, size: file.size, left }, undefined, content ? [content] : []);
  }
}

// A file that is dropped beside the box, on the panel around it, is for the box. Elsewhere, browsers and
// JupyterLab do as they do.
function takeDrops(el, zone, hand) {
  const panel = (node) => node.closest?.(".latentfx-panel");
  const mine = (event) =>
    event.dataTransfer?.types.includes("Files") && panel(el) && panel(event.target) === panel(el);
  const over = (event) => {
    zone.dataset.over = Boolean(mine(event));
    if (mine(event)) event.preventDefault();
  };
  const drop = (event) => {
    zone.dataset.over = false;
    if (!mine(event)) return;
    event.preventDefault();
    event.stopPropagation();
    hand([...event.dataTransfer.files]);
  };
  document.addEventListener("dragover", over, true);
  document.addEventListener("drop", drop, true);
  return () => {
    document.removeEventListener("dragover", over, true);
    document.removeEventListener("drop", drop, true);
  };
}

/** Say how many files there are, beside the button that removes them; return how to stop that. */
function showKept(model, kept) {
  const [words, remove] = kept.children;
  const show = () => {
    const number = model.get("kept");
    kept.hidden = !number;
    words.textContent = number === 1 ? "1 file" : `${number} files`;
  };
  remove.title = remove.ariaLabel = "Remove your files, from all pages at once";
  remove.onclick = () => model.send({ kind: "remove" });
  model.on("change:kept", show);
  show();
}

function render({ model, el }) {
  const { row, zone, words, input, kept, said } = build(model);
  const say = (text) => {
    words.textContent = text;
  };
  const idle = () => {
    input.ariaLabel = model.get("label");
    say(model.get("kept") ? "Own audio: add" : model.get("label")); // the rail is narrow
  };
  const hand = async (files) => {
    said.textContent = "";
    await send(model, files, say);
    idle();
  };
  input.onchange = () => hand([...input.files]).then(() => (input.value = ""));
  model.on("change:label change:kept", idle);
  idle();
  showKept(model, kept);
  const tell = (text) => (said.textContent = text);
  const record = recordButton(model.get("most_s"), (file) => hand([file]), tell);
  if (record) zone.after(record.button);
  el.append(row);
  const stop = takeDrops(el, zone, hand);
  return () => {
    stop();
    record?.end();
  };
}

export default { render };
