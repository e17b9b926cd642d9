// How a panel is spoken to: its status line is a live region, and JupyterLab's single keys stay out of it.

function name(panel) {
  const status = panel.querySelector(".latentfx-status");
  if (status) Object.assign(status, { role: "status", ariaLive: "polite" });
  panel.dataset.lmSuppressShortcuts = "true";
  if (!panel.hasAttribute("tabindex")) panel.tabIndex = -1; // a click anywhere in it gives it the focus
  return Boolean(status);
}

/** Name the parts of `panel()` for assistive technology once they are there; return how to stop waiting. */
export function nameParts(panel) {
  const observer = new MutationObserver(() => {
    if (panel() && name(panel())) observer.disconnect();
  });
  observer.observe(document.body, { childList: true, subtree: true });
  if (panel()) name(panel());
  return () => observer.disconnect();
}
