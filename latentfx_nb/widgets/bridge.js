// Every private name of plotly.js, anywidget and ipywidgets that the page's JavaScript relies on.
// tests/test_bridge.py looks up each of them in the installed library, and names the one that has moved.

const privateName = (library, seen, name, use) => ({ library, seen, name, use });

/** Each name with its library, the version it was last seen in, and what it does. */
export const PRIVATE = [
  privateName("anywidget", "0.11.0", "_handle_comm_msg", "waits 2 s for a widget, then drops all"),
  privateName("ipywidgets", "8.1.9", "_handle_comm_msg", "takes a message without that wait"),
  privateName("ipywidgets", "8.1.9", "connectionStatusChanged", "says whether the kernel can be reached"),
  privateName("ipywidgets", "8.1.9", "statusChanged", "says whether the kernel lives"),
  privateName("plotly", "7.1.0", "_js2py_pointsCallback", "tells the kernel of clicks and hovers"),
  privateName("plotly", "7.1.0", "event_type", "which of the two it is"),
  privateName("plotly", "7.1.0", "_py2js_restyle", "changes a trace as the kernel would"),
  privateName("plotly", "7.1.0", "restyle_data", "what to change"),
  privateName("plotly", "7.1.0", "restyle_traces", "of which traces"),
  privateName("plotly", "7.1.0", "_js2py_traceDeltas", "answers the kernel's edit of a trace"),
  privateName("plotly", "7.1.0", "_js2py_widget_layoutDelta", "answers the kernel's edit of the layout"),
  privateName("plotly", "7.1.0", "trace_edit_id", "answers to the kernel's last edit"),
  privateName("plotly", "7.1.0", "layout_edit_id", "answers to the kernel's last edit"),
  privateName("plotly", "7.1.0", "_last_trace_edit_id", "the kernel's last edit"),
  privateName("plotly", "7.1.0", "_last_layout_edit_id", "the kernel's last edit"),
  privateName("plotly", "7.1.0", "js-plotly-plot", "the class of a drawn figure's element"),
  privateName("plotly", "7.1.0", "_fullLayout", "how wide a figure is drawn"),
  privateName("plotly", "7.1.0", "_fullData", "what a trace looks like with all its defaults"),
  privateName("plotly", "7.1.0", "_context", "the options of the camera button"),
  privateName("plotly", "7.1.0", "modebar-btn", "the class of the camera button"),
  privateName("plotly", "7.1.0", "Download plot", "how the camera button's hint begins"),
];

const PLOT = ".js-plotly-plot";
const CAMERA = '.modebar-btn[data-title^="Download plot"]';

/**
 * Let a widget hear again whose module took over 2 s to start: anywidget drops every message to it, so it is
 * drawn and then never changes. `manager` is the page's widget manager, `id` the widget's address.
 */
export async function keepListening(manager, id) {
  const model = await manager?.get_model(id);
  const core = Object.getPrototypeOf(model?.constructor.prototype ?? {});
  if (!core?._handle_comm_msg || !model.comm?.on_msg || model.latentfxHears) return;
  model.latentfxHears = true;
  const late = (message) => core._handle_comm_msg.call(model, message);
  model.comm.on_msg((message) => model._handle_comm_msg(message).catch(() => late(message)));
  keepQuiet(model);
}

// Changes that wait for a busy kernel are merged: a hover would take the place of a click before it. And
// plotly answers the kernel's last edit again whenever the page itself moves markers: once is enough.
function keepQuiet(model) {
  const { save } = model;
  const answered = {};
  const answerOnce = (changes, name, id) => {
    const edit = changes?.[name]?.[id];
    if (edit === undefined) return;
    if (edit === answered[name]) delete changes[name];
    answered[name] = edit;
  };
  model.save = (changes, options) => {
    if (/hover$/.test(changes?._js2py_pointsCallback?.event_type)) delete changes._js2py_pointsCallback;
    answerOnce(changes, "_js2py_traceDeltas", "trace_edit_id");
    answerOnce(changes, "_js2py_widget_layoutDelta", "layout_edit_id");
    return save.call(model, changes, options);
  };
}

/** Set the coordinates `{ x, y, z }` of a figure's trace in the page alone, unknown to the kernel. */
export function restyle(figure, trace, coordinates) {
  const data = Object.fromEntries(Object.entries(coordinates).map(([axis, values]) => [axis, [values]]));
  restyleTraces(figure, [trace], data);
}

/** Set properties of a figure's traces, `{ name: [value of each trace] }`, in the page alone. */
export function restyleTraces(figure, traces, properties) {
  figure.set_state({
    _py2js_restyle: {
      restyle_data: properties,
      restyle_traces: traces,
      trace_edit_id: figure.get("_last_trace_edit_id"),
      layout_edit_id: figure.get("_last_layout_edit_id"),
    },
  });
}

/** Return the traces of a drawn figure with all their defaults. */
export const drawnTraces = (plot) => plot._fullData ?? [];

/** Return the elements in which the figures of the page are drawn. */
export const plots = () => [...document.querySelectorAll(PLOT)];

/** Call `drawn` with each figure of the page, also those still to be drawn; return how to stop that. */
export function onFigures(drawn) {
  const seen = new WeakSet();
  let asked = false;
  const look = () => {
    asked = false;
    for (const plot of plots()) {
      if (seen.has(plot) || !plot.on) continue;
      seen.add(plot);
      drawn(plot);
    }
  };
  const observer = new MutationObserver(() => {
    if (!asked) requestAnimationFrame(look);
    asked = true;
  });
  observer.observe(document.body, { childList: true, subtree: true });
  look();
  return () => observer.disconnect();
}

/** Return the element in which a figure widget, whose model this is, is drawn; undefined while it is not. */
export async function plotOf(figure) {
  const views = await Promise.all(Object.values(figure.views ?? {}));
  return plots().find((plot) => views.some((view) => view.el.contains(plot)));
}

/** Return that of the figures' models in whose view `plot` is drawn. */
export async function figureOf(plot, figures) {
  for (const figure of figures) if ((await plotOf(figure)) === plot) return figure;
  return undefined;
}

/** Have plotly's camera button save a drawn figure, this once in another `format` and as `name`. */
export function savePicture(plot, format, name) {
  const camera = plot.querySelector(CAMERA);
  const options = plot._context?.toImageButtonOptions;
  if (!camera || !options) return;
  const { showlegend } = plot.layout ?? {};
  plot._context.toImageButtonOptions = { ...options, format, filename: name };
  if (showlegend === false) plot.layout.showlegend = true; // the page draws it beside the figure
  camera.click();
  if (showlegend === false) plot.layout.showlegend = false;
  plot._context.toImageButtonOptions = options;
}

/** Say whether a figure fills its place: one drawn in a hidden page looks at the window's size only. */
export function fills(plot) {
  const { width, height } = plot._fullLayout ?? {};
  const near = (drawn, there) => Math.abs(drawn - there) <= 1;
  return width === undefined || (near(width, plot.clientWidth) && near(height, plot.clientHeight));
}

/** Tell screen readers what a figure is, which is what `layout.meta.words` says. */
export function nameFigure(plot) {
  const words = plot.layout?.meta?.words;
  if (words) Object.assign(plot, { role: "group", ariaLabel: words });
}

const THEME = { attributes: true, attributeFilter: ["data-jp-theme-light", "theme"] };

/** Say whether the page is dark: JupyterLab and Voila name their theme on the body, Colab on the document. */
export function isDark() {
  const { body, documentElement } = document;
  return body.dataset.jpThemeLight === "false" || documentElement.getAttribute("theme") === "dark";
}

/** Call `callback` whenever the page may have changed its theme; return how to stop that. */
export function onTheme(callback) {
  const observer = new MutationObserver(callback);
  for (const part of [document.body, document.documentElement]) observer.observe(part, THEME);
  return () => observer.disconnect();
}

const ENDED = ["dead", "restarting", "autorestarting", "terminating"];

/** Call `tell` with whether the kernel of a widget manager lives and can be reached, when that changes. */
export function onKernel(manager, tell) {
  const kernel = manager?.kernel;
  if (!kernel?.connectionStatusChanged) return () => {};
  let ended = false;
  const reached = (_, status) => tell(!ended && status === "connected");
  const lives = (_, status) => {
    ended ||= ENDED.includes(status);
    if (ended) tell(false);
  };
  kernel.connectionStatusChanged.connect(reached);
  kernel.statusChanged.connect(lives);
  return () => {
    kernel.connectionStatusChanged.disconnect(reached);
    kernel.statusChanged.disconnect(lives);
  };
}
