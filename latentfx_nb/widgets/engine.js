// Two to four sounds on one clock: all of them always run, and A/B only fades between their gains.
import { elapsed, wrap } from "./clock.js";
import { SIDES, decodeAll } from "./sounds.js";

const RATE_HZ = 48000;
const TICK_MS = 66;
const LEAD_S = 0.01;
const FADE_S = 0.0025; // a time constant: 95 % of a crossfade in 7.5 ms

/** Plays the sounds of a player's `model`; `events` fires "change" when the controls must be painted anew. */
export class Engine {
  constructor(model) {
    Object.assign(this, { model, events: new EventTarget(), sounds: {}, pending: true, problem: "" });
    Object.assign(this, { voice: undefined, offset_s: 0, started_s: 0, round: 0 });
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
    model.on("change:listening", () => this.fade());
    model.on("change:volume", () => this.master && this.glide(this.master, model.get("volume")));
    model.on("change:loop", () => this.voice && this.start(this.position()));
    const shown = ["listening", "volume", "loop", "title", "labels", "ready", "_offered_s"];
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
    if (!this.voice) return Math.min(this.offset_s, this.length());
    const at_s = elapsed(this.offset_s, this.started_s, this.context.currentTime);
    return wrap(at_s, this.length(), this.voice.loop);
  }

  /** Return the position heard `ahead_s` from now: what is played takes a while to the loudspeakers. */
  heard(ahead_s) {
    if (!this.voice) return this.position();
    const at_s = this.position() + ahead_s - (this.context.outputLatency || 0);
    return wrap(Math.max(0, at_s), this.duration(), this.voice.loop);
  }

  glide(node, value, when_s = this.context.currentTime) {
    node.gain.setTargetAtTime(value, when_s, FADE_S);
  }

  /** Let the chosen side be heard, and the others not. */
  fade() {
    for (const side of this.voice ? SIDES : []) {
      this.glide(this.voice.gains[side], Number(this.model.get("listening") === side));
    }
  }

  wake() {
    this.context ??= new AudioContext({ sampleRate: RATE_HZ });
    if (!this.master) {
      this.master = new GainNode(this.context, { gain: this.model.get("volume") });
      this.master.connect(this.context.destination);
    }
    this.context.resume();
  }

  /** Return a new voice: every side with a gain of its own, all started at once, and one gain over all. */
  speak(when_s, from_s) {
    const { context, model, sounds } = this;
    const loop = model.get("loop");
    const voice = { loop, bus: new GainNode(context, { gain: 0 }), gains: {}, sources: {} };
    for (const side of SIDES) {
      voice.gains[side] = new GainNode(context, { gain: Number(model.get("listening") === side) });
      voice.sources[side] = new AudioBufferSourceNode(context, { buffer: sounds[side].buffer, loop });
      voice.sources[side].connect(voice.gains[side]).connect(voice.bus).connect(this.master);
      voice.sources[side].start(when_s, from_s);
    }
    voice.sources.dry.onended = () => this.end(voice);
    return voice;
  }

  end(voice) {
    if (this.voice !== voice) return;
    this.voice = undefined;
    this.offset_s = this.duration();
    this.obey(false);
  }

  start(at_s) {
    this.wake();
    const when_s = this.context.currentTime + LEAD_S;
    const lead_s = this.voice ? LEAD_S : 0; // what plays goes on until then
    const from_s = at_s >= this.duration() - LEAD_S ? 0 : at_s + lead_s;
    const voice = this.speak(when_s, from_s);
    this.glide(voice.bus, 1, when_s);
    this.release(when_s);
    Object.assign(this, { voice, offset_s: from_s, started_s: when_s });
    clearInterval(this.timer);
    this.timer = setInterval(() => this.report(), TICK_MS);
  }

  release(when_s = this.context?.currentTime) {
    if (!this.voice) return;
    this.glide(this.voice.bus, 0, when_s);
    for (const side of SIDES) this.voice.sources[side].stop(when_s + 8 * FADE_S);
    this.voice = undefined;
  }

  /** Play or stop, as the model says; what is only offered is asked for. */
  obey(playing) {
    if (playing && this.duration()) {
      if (!this.voice) this.start(this.offset_s);
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
    if (this.voice) {
      this.offset_s = this.position();
      this.release();
    }
    clearInterval(this.timer);
    this.model.set("playing", false);
    this.report();
  }

  seek(at_s) {
    this.release();
    this.offset_s = at_s;
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
    else if (this.voice || this.problem) this.obey(false);
    this.offset_s = Math.min(this.offset_s, this.length());
    this.tell();
  }

  close() {
    this.round++;
    clearInterval(this.timer);
    this.context?.close();
  }
}
