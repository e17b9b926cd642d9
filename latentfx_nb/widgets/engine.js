// The audio engine of a player: two to four sounds on one clock, which A/B never interrupts.
import { wrap } from "./clock.js";
import { SIDES, decodeAll } from "./sounds.js";
import { Voice, glide } from "./voice.js";

const RATE_HZ = 48000;
const TICK_MS = 66;
const LEAD_S = 0.01; // from a decision to its sound

/** Plays the sounds of a player's `model`; `events` fires "change" when the controls must be painted anew. */
export class Engine {
  constructor(model) {
    Object.assign(this, { model, events: new EventTarget(), sounds: {}, pending: true, problem: "" });
    Object.assign(this, { voice: undefined, stopped_s: 0, round: 0 });
    this.listen();
    model.set("playing", false); // a page that opens never sounds by itself
    this.refresh();
  }

  listen() {
    const { model } = this;
    model.on("msg:custom", (message) => {
      if (message?.kind === "seek") this.seek(Math.min(message.time_s, this.length()));
    });
    model.on("change:playing", () => this.obey(model.get("playing")));
    model.on("change:listening", () => this.voice?.listen(model.get("listening")));
    model.on("change:volume", () => this.setVolume());
    model.on("change:loop", () => this.voice && this.start(this.position()));
    const shown = ["listening", "volume", "loop", "title", "labels", "loudness_lufs", "ready", "_offered_s"];
    model.on(shown.map((name) => `change:${name}`).join(" "), () => this.tell());
    model.on(SIDES.map((side) => `change:${side}`).join(" "), () => this.refresh());
  }

  tell() {
    this.events.dispatchEvent(new Event("change"));
  }

  report() {
    this.model.set("time_s", Math.round(this.position() * 1000) / 1000);
    this.model.save_changes();
    this.tell();
  }

  playing() {
    return Boolean(this.voice);
  }

  /** Return the length of what is loaded, in seconds. */
  duration() {
    return (this.sounds.wet?.buffer && this.sounds.dry?.buffer?.duration) || 0;
  }

  /** Return the length of what is loaded, or of what is offered: Python makes that once it is wanted. */
  length() {
    return this.duration() || this.model.get("_offered_s");
  }

  /** Ask Python for the sounds that are offered, unless some are loaded. */
  async want() {
    await null; // what was pressed is told first
    if (!this.duration()) this.model.send({ kind: "wanted" });
  }

  /** Return the play position, in seconds. */
  position() {
    return this.voice ? this.voice.position(this.length()) : Math.min(this.stopped_s, this.length());
  }

  /** Return the position heard `ahead_s` from now: what is played takes a while to the loudspeakers. */
  heard(ahead_s) {
    if (!this.voice) return this.position();
    const at_s = this.position() + ahead_s - (this.context.outputLatency || 0);
    return wrap(Math.max(0, at_s), this.duration(), this.voice.loop);
  }

  setVolume() {
    if (this.master) glide(this.master, this.model.get("volume"), this.context.currentTime);
  }

  wake() {
    this.context ??= new AudioContext({ sampleRate: RATE_HZ });
    if (!this.master) {
      this.master = new GainNode(this.context, { gain: this.model.get("volume") });
      this.master.connect(this.context.destination);
    }
    this.context.resume();
  }

  start(at_s) {
    this.wake();
    const { model, sounds } = this;
    const when_s = this.context.currentTime + LEAD_S;
    const lead_s = this.voice ? LEAD_S : 0; // what plays goes on until then
    const from_s = at_s >= this.duration() - LEAD_S ? 0 : at_s + lead_s;
    const chosen = { listening: model.get("listening"), loop: model.get("loop") };
    const voice = new Voice(this.context, this.master, { sounds, ...chosen, from_s, when_s });
    voice.onEnd(() => this.finish(voice));
    this.voice?.end(when_s);
    this.voice = voice;
    clearInterval(this.timer);
    this.timer = setInterval(() => this.report(), TICK_MS);
  }

  /** Stop at the end, which a voice that is not looped has come to. */
  finish(voice) {
    if (this.voice !== voice) return; // another one plays by now
    this.silence(this.duration());
    this.obey(false);
  }

  /** End what plays; play goes on from `at_s`. */
  silence(at_s) {
    this.voice?.end();
    this.voice = undefined;
    this.stopped_s = at_s;
  }

  /** Play or stop, as the model says; what is only offered is asked for. */
  obey(playing) {
    if (playing && this.duration()) {
      if (this.pending) this.wake(); // newer sounds start once they are decoded
      else if (!this.voice) this.start(this.stopped_s);
      this.report();
    } else if (playing && this.length()) {
      this.wake(); // some browsers let a press alone wake it
      this.want();
      this.tell();
    } else {
      this.stop();
    }
  }

  stop() {
    if (this.voice) this.silence(this.position());
    clearInterval(this.timer);
    this.model.set("playing", false);
    this.report();
  }

  seek(at_s) {
    this.silence(at_s);
    if (this.model.get("playing") && this.duration()) this.start(at_s);
    this.report();
  }

  /** Take over the sounds that the model has now; what plays goes on with them from the same position. */
  async refresh() {
    const mine = ++this.round;
    this.pending = true;
    await null; // the sounds of one message are one change
    const decoded = await decodeAll((side) => this.model.get(side), this.sounds);
    if (mine !== this.round) return; // newer sounds have arrived meanwhile
    const at_s = this.position();
    Object.assign(this, decoded, { pending: false });
    if (this.duration() && this.model.get("playing")) this.start(at_s);
    else if (this.voice || this.problem) this.stop();
    this.stopped_s = Math.min(this.stopped_s, this.length());
    this.tell();
    this.acknowledge();
  }

  /** Tell Python which sounds are taken: the next ones are rendered only then. */
  acknowledge() {
    if (!this.duration() && !this.problem) return;
    const sounds = Object.fromEntries(SIDES.map((side) => [side, this.sounds[side].code]));
    this.model.send({ kind: "taken", sounds });
  }

  close() {
    this.round++;
    clearInterval(this.timer);
    this.context?.close();
  }
}
