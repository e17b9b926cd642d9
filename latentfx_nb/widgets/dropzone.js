// Files go to the kernel one after the other; of those that are too large or cannot be read, only the names.

/** Return the box and its parts: the words and the file chooser that lies over them. */
function build(model) {
  const zone = document.createElement("label");
  zone.className = "latentfx-drop";
  zone.innerHTML = '<span></span><input type="file" multiple>';
  zone.dataset.lmSuppressShortcuts = "true"; // JupyterLab's single-key commands stay out
  const [words, input] = zone.children;
  input.accept = model.get("accept").join(",");
  return { zone, words, input };
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

function render({ model, el }) {
  const { zone, words, input } = build(model);
  const say = (text) => {
    words.textContent = text;
  };
  const idle = () => {
    say(model.get("label"));
    input.ariaLabel = model.get("label");
  };
  const hand = async (files) => {
    await send(model, files, say);
    idle();
  };
  input.onchange = async () => {
    await hand([...input.files]);
    input.value = "";
  };
  model.on("change:label", idle);
  idle();
  el.append(zone);
  return takeDrops(el, zone, hand);
}

export default { render };
