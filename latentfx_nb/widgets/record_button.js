// The button beside the box for files that records one: a second press ends it, and hands it over as a file.
import { canRecord, record, refusal, wavOf } from "./recording.js";

/** A file as the browser's own chooser gives it. */
function fileOf(blocks) {
  const wav = wavOf(blocks);
  return { name: "recording 1.wav", size: wav.byteLength, arrayBuffer: async () => wav };
}

function build() {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "latentfx-record" });
  button.innerHTML = "<i></i><span></span>";
  return button;
}

function show(button, state, words) {
  button.dataset.state = state;
  button.lastChild.textContent = words;
  button.title = state === "recording" ? "Stop, and take the recording" : "Record with the microphone";
  button.ariaLabel = state === "recording" ? "Stop recording" : "Record";
}

function clock(seconds) {
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
}

/** What a button records: `start()`, and `stop()`, which gives blocks of samples, none if it was refused. */
export class Recording {
  constructor(button, most_s, done, say) {
    Object.assign(this, { button, most_s, done, say, running: null });
    this.rest();
  }

  rest() {
    show(this.button, "idle", "");
  }

  tell(level, seconds) {
    this.button.style.setProperty("--level", level.toFixed(3));
    show(this.button, "recording", clock(seconds));
  }

  async start() {
    this.say("");
    show(this.button, "asking", "Allow …");
    const tell = (level, seconds) => this.running && this.tell(level, seconds);
    this.running = record(this.most_s, tell, () => this.finish()).catch((error) => this.refused(error));
    await this.running;
    if (this.running) this.tell(0, 0);
  }

  refused(error) {
    this.running = null;
    this.rest();
    this.say(refusal(error));
    return () => [];
  }

  async stop() {
    const ending = this.running;
    this.running = null;
    this.rest();
    return ending ? (await ending)() : [];
  }

  async finish() {
    const blocks = await this.stop();
    if (blocks.length) this.done(fileOf(blocks));
  }
}

/**
 * Return `{ button, end }`, or null where there is no microphone to ask for.
 * A recording of at most `most_s` seconds goes to `done` as a file; `say` tells what went wrong.
 */
export function recordButton(most_s, done, say) {
  if (!canRecord()) return null;
  const button = build();
  const recording = new Recording(button, most_s, done, say);
  button.onclick = () => (recording.running ? recording.finish() : recording.start());
  return { button, end: () => recording.stop() };
}
