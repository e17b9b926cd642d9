// The drawer of a panel: a tab for each of its sections, of which one at the most is open.

const NAME = /lfx-section-(\w+)/;

/** Return the sections of a drawer by name. */
export function sectionsOf(drawer) {
  const found = [...drawer.children].filter((one) => NAME.test(one.className));
  return new Map(found.map((one) => [NAME.exec(one.className)[1], one]));
}

function tab(name, panel) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "lfx-tab", textContent: name[0].toUpperCase() + name.slice(1) });
  button.dataset.section = name;
  button.ariaExpanded = "false";
  button.onclick = () => open(panel, panel.dataset.open === name ? "" : name);
  return button;
}

/** Open a section of a panel's drawer, or, with an empty name, close what is open. */
export function open(panel, name) {
  panel.dataset.open = name;
  for (const [section, part] of sectionsOf(panel.querySelector(".lfx-drawer"))) {
    part.inert = section !== name;
  }
  for (const button of panel.querySelectorAll(".lfx-tab")) {
    button.ariaExpanded = `${button.dataset.section === name}`;
  }
}

/** On a dashboard, let the notebook's prose stand in the drawer. */
function takeProse(section) {
  for (const cell of document.querySelectorAll("#rendered_cells .jp-MarkdownCell")) section.append(cell);
}

/** Return the strip of tabs of a drawer, made at the first call. */
function stripOf(drawer) {
  const there = drawer.querySelector(".lfx-tabs");
  if (there) return there;
  const strip = document.createElement("div");
  strip.className = "lfx-tabs";
  drawer.prepend(strip);
  return strip;
}

/** Draw a tab for each section of a panel's drawer, as the sections appear; return how to stop that. */
export function openDrawer(panel) {
  const draw = () => {
    const drawer = panel()?.querySelector(".lfx-drawer");
    if (!drawer) return;
    const [strip, sections] = [stripOf(drawer), sectionsOf(drawer)];
    if (strip.childElementCount === sections.size) return;
    strip.replaceChildren(...[...sections.keys()].map((name) => tab(name, panel())));
    if (sections.has("read")) takeProse(sections.get("read"));
    open(panel(), "");
  };
  const observer = new MutationObserver(draw);
  observer.observe(document.body, { childList: true, subtree: true });
  draw();
  return () => observer.disconnect();
}
