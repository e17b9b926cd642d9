// Files go to the kernel one after the other. Of those that are too much, or cannot be read, only the names do.
function render({ model, el }) {
  const zone = Object.assign(document.createElement("label"), { className: "latentfx-drop" });
  zone.innerHTML = '<span></span><input type="file" multiple>';
  const [words, input] = zone.children, say = (text) => { words.textContent = text; };
  zone.dataset.lmSuppressShortcuts = "true"; // JupyterLab's single-key commands stay out
  input.accept = model.get("accept").join(",");
  const idle = () => { say(model.get("label")); input.ariaLabel = model.get("label"); };
  async function hand(files) {
    let sent = 0;
    for (const [number, file] of files.entries()) {
      say(`Sending ${number + 1} of ${files.length} …`);
      sent += file.size;
      const content = sent <= model.get("most_bytes") ? await file.arrayBuffer().catch(() => undefined) : undefined;
      model.send({ kind: "file", name: file.name, size: file.size, left: files.length - 1 - number }, undefined, content ? [content] : []);
    }
    idle();
  }
  input.onchange = async () => { await hand([...input.files]); input.value = ""; };
  // Who drops a file beside the box means the panel around it; elsewhere, browsers and JupyterLab do as they do.
  const panel = (node) => node.closest?.(".latentfx-panel");
  const mine = (event) => event.dataTransfer?.types.includes("Files") && panel(el) && panel(event.target) === panel(el);
  const over = (event) => { zone.dataset.over = Boolean(mine(event)); if (mine(event)) event.preventDefault(); };
  const drop = (event) => {
    zone.dataset.over = false;
    if (!mine(event)) return;
    event.preventDefault();
    event.stopPropagation();
    hand([...event.dataTransfer.files]);
  };
  document.addEventListener("dragover", over, true);
  document.addEventListener("drop", drop, true);
  model.on("change:label", idle);
  idle();
  el.append(zone);
  return () => { document.removeEventListener("dragover", over, true); document.removeEventListener("drop", drop, true); };
}
export default { render };
