// What a page does before its kernel and its widgets are there: it takes its theme, answers the bar,
// says what it waits for, and takes the outlines away once the panel stands in their place. Voila's
// template calls the functions of `window` that are named `voila_`.
const latentfxFirst = (() => {
  const THEMES = { dark: true, light: false };
  const KEPT = "latentfx-theme";
  const system = matchMedia("(prefers-color-scheme: dark)");

  function kept() {
    try {
      return localStorage.getItem(KEPT);
    } catch {
      return null; // the browser keeps nothing for this page
    }
  }

  function keep(name) {
    try {
      localStorage.setItem(KEPT, name);
    } catch {
      // the address has it all the same
    }
    const address = new URL(location.href);
    address.searchParams.set("theme", name);
    history.replaceState(history.state, "", address);
  }

  /** Say whether the page is to be dark: as its address asks, else as chosen last, else as the system is. */
  function wanted() {
    const asked = new URLSearchParams(location.search).get("theme");
    return THEMES[asked] ?? THEMES[kept()] ?? system.matches;
  }

  /** Name the theme where style sheets, JupyterLab's widgets and the bridge look for it. */
  function name(part, dark) {
    part.dataset.jpThemeLight = String(!dark);
    part.style.colorScheme = dark ? "dark" : "light";
  }

  /** Put the page into the theme that is wanted, as far as it has been read. */
  function theme() {
    const dark = wanted();
    name(document.documentElement, dark);
    const { body } = document;
    if (!body) return;
    name(body, dark);
    body.dataset.jpThemeName = dark ? "JupyterLab Dark" : "JupyterLab Light";
    body.classList.toggle("theme-dark", dark);
    body.classList.toggle("theme-light", !dark);
    const sheet = document.getElementById("lfx-dark");
    if (sheet) sheet.media = dark ? "all" : "not all";
    const toggle = document.querySelector('[data-lfx="theme"]');
    if (toggle) toggle.ariaPressed = String(dark);
    carry();
  }

  /** Let the bar's links ask for all that this page's address asks for; later address.js does. */
  function carry() {
    for (const link of document.querySelectorAll(".lfx-bar a[data-page]")) link.search = location.search;
  }

  function say(words) {
    const status = document.querySelector('.lfx-outlines [role="status"]');
    if (status) status.textContent = words;
  }

  const ACTIONS = {
    theme: () => {
      keep(wanted() ? "light" : "dark");
      theme();
    },
    help: () => document.dispatchEvent(new CustomEvent("latentfx:help")),
    pages: (button) => {
      button.ariaExpanded = String(button.ariaExpanded !== "true");
    },
  };

  function answerBar(bar) {
    bar.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      ACTIONS[button?.dataset.lfx]?.(button);
    });
    const menu = bar.querySelector('[data-lfx="pages"]');
    const close = ({ type, key, target }) => {
      if (type === "keydown" ? key === "Escape" : !bar.contains(target)) menu.ariaExpanded = "false";
    };
    for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, close);
  }

  const PANEL = ".latentfx-panel .lfx-transport > :first-child";

  /** Say whether the page shows something: its panel, or, without one, whatever else its cells gave. */
  function isThere() {
    if (document.querySelector(PANEL)) return true;
    const outputs = [...document.querySelectorAll("#rendered_cells .jp-OutputArea-output")];
    const other = (output) => !output.querySelector(".latentfx-panel, script");
    const words = (output) => (other(output) ? output.textContent.trim() : "");
    return outputs.some((output) => !["", "Loading widget..."].includes(words(output)));
  }

  /** Say that the kernel cannot be reached; the address has what the page showed. */
  function watchKernel() {
    const lost = document.querySelector(".lfx-lost");
    document.addEventListener("latentfx:kernel", ({ detail }) => {
      lost.hidden = detail.reached;
    });
    lost.querySelector("button").addEventListener("click", () => location.reload());
  }

  function watch() {
    const observer = new MutationObserver(() => {
      if (!isThere()) return;
      observer.disconnect();
      document.querySelector(".lfx-outlines")?.remove();
    });
    observer.observe(document.body, { childList: true, subtree: true });
  }

  /** Answer the bar, and wait for the panel. */
  function start() {
    theme(); // the bar is there now
    answerBar(document.querySelector(".lfx-bar"));
    system.addEventListener("change", theme);
    const current = document.querySelector("#lfx-pages [aria-current]");
    current?.scrollIntoView({ block: "nearest", inline: "nearest" });
    watch();
    watchKernel();
  }

  /**
   * Voila 0.5 brings modules of JupyterLab 4.2. ipywidgets and anywidget were built with later ones, and say
   * so of each. The tests of the pages hold that they go together: this is a note for those who look for it.
   */
  function quietVersions() {
    const { warn } = console;
    console.warn = (...said) => {
      const versions = /^(Unsatisfied version|No satisfying version)/.test(said[0]);
      (versions ? console.debug : warn).apply(console, said);
    };
  }

  function showCells() {
    window.cellLoaded = true; // Voila's scripts call this again once its theme is there
    if (!window.themeLoaded) return;
    document.getElementById("rendered_cells").style.display = "";
    say("Drawing …");
  }

  /** Find out whether the browser draws in three dimensions, as address.js asks later: the first answer takes long. */
  function draws() {
    const { dataset } = document.documentElement;
    dataset.lfxWebgl ??= String(document.createElement("canvas").getContext("webgl") !== null);
  }

  /** Say that the page will not come. */
  function fail() {
    say("This page could not be opened. The server's log says why.");
  }

  theme();
  quietVersions();
  window.voila_heartbeat = () => {};
  window.voila_process = () => say("Loading the page …");
  window.voila_finish = showCells;
  return { theme, start, draws, fail };
})();
