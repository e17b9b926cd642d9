// Tooltips: ipywidgets writes "null" as that of each label and button that has none.

const EMPTY = '[title="null"]';

/** Take tooltips that say nothing from what stands in `panel()` or will; return how to stop that. */
export function dropEmptyTips(panel) {
  const drop = () => {
    for (const part of panel()?.querySelectorAll(EMPTY) ?? []) part.removeAttribute("title");
  };
  const observer = new MutationObserver(drop);
  observer.observe(document.body, { childList: true, subtree: true, attributeFilter: ["title"] });
  drop();
  return () => observer.disconnect();
}
