"""What is wrong with how a page looks, as scripts that return what they find: nothing, at best."""

UNFILLED = """() => [...document.querySelectorAll(".js-plotly-plot")].map(
  (plot) => [plot._fullLayout.width, plot.clientWidth]).filter(([drawn, room]) => Math.abs(drawn - room) > 2)"""
# Figures of a panel that tell a screen reader nothing.
UNNAMED = """() => [...document.querySelectorAll(".latentfx-panel .js-plotly-plot")]
  .filter((plot) => plot.role !== "group" || !plot.ariaLabel).length"""
# Words and numbers of a figure that are cut off at its edge.
CUT_OFF = """() => [...document.querySelectorAll(".js-plotly-plot svg text")].filter((text) => {
  const [own, plot] = [text, text.closest(".js-plotly-plot")].map((one) => one.getBoundingClientRect());
  return own.width && (own.left < plot.left - 1 || own.right > plot.right + 1 || own.top < plot.top - 1
    || own.bottom > plot.bottom + 1);
}).map((text) => text.textContent)"""
# Words of a figure that lie on others.
OVERLAPPING = """() => [...document.querySelectorAll(".js-plotly-plot")].flatMap((plot) => {
  const kinds = ".legendtext, .xtitle, .ytitle, .xtick text, .ytick text, .annotation-text, .gtitle, .cbtitle text";
  const words = [...plot.querySelectorAll(kinds)].filter((one) => one.textContent.trim() && one.checkVisibility());
  const boxes = words.map((one) => one.getBoundingClientRect()), found = [];
  boxes.forEach((a, i) => boxes.slice(0, i).forEach((b, j) => {
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 3 && high > 3) found.push(`${words[i].textContent} on ${words[j].textContent}`);
  }));
  return found;
})"""
# Words on the page, but for those in figures, that differ too little from what lies behind them (WCAG 2.2, 1.4.3).
HARD_TO_READ = """() => {
  const rgba = (text) => { const [r, g, b, a = 1] = text.match(/[0-9.]+/g).map(Number); return [r, g, b, a]; };
  const over = (front, back) => back.map((value, i) => front[i] * front[3] + value * (1 - front[3]));
  const lineage = (one) => one ? [...lineage(one.parentElement), one] : [];
  const ground = (one) => lineage(one).reduce((back, el) => over(rgba(getComputedStyle(el).backgroundColor), back),
    [255, 255, 255]);
  const linear = (v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = (rgb) => rgb.reduce((sum, v, i) => sum + linear(v / 255) * [0.2126, 0.7152, 0.0722][i], 0);
  const words = document.createTreeWalker(document.querySelector("#rendered_cells"), NodeFilter.SHOW_TEXT), found = [];
  while (words.nextNode()) {
    const text = words.currentNode.textContent.trim(), el = words.currentNode.parentElement;
    const aside = el.closest("svg, style, script, :disabled");
    if (!text || aside || !el.checkVisibility({visibilityProperty: true})) continue;
    const back = ground(el), shades = [light(over(rgba(getComputedStyle(el).color), back)), light(back)];
    const contrast = (Math.max(...shades) + 0.05) / (Math.min(...shades) + 0.05);
    if (contrast < 4.5) found.push(`${text}: ${contrast.toFixed(1)}`);
  }
  return found;
}"""
