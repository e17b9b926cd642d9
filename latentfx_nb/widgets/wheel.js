// The wheel over a figure: it scrolls the page, as everywhere, and zooms only while Ctrl or Cmd is held,
// or while the figure has the focus, which a click or the tab key gives it and Escape takes.
import { onFigures } from "./bridge.js";

/** Say whether a turn of the wheel over `plot` zooms. */
export function zooms(plot, event) {
  return event.ctrlKey || event.metaKey || plot.contains(document.activeElement);
}

function watch(plot) {
  plot.tabIndex = 0;
  plot.addEventListener("pointerdown", () => plot.focus({ preventScroll: true }), true);
  plot.addEventListener("keydown", ({ key }) => key === "Escape" && document.activeElement?.blur());
  plot.addEventListener(
    "wheel",
    (event) => {
      if (zooms(plot, event)) event.preventDefault();
      else event.stopImmediatePropagation();
    },
    { capture: true, passive: false },
  );
}

/**
 * Let the wheel zoom figures below `root()` only when it is meant to; return how to stop watching for
 * more.
 */
export function tameWheel(root) {
  return onFigures((plot) => root()?.contains(plot) && watch(plot));
}
