// A Web Audio of numbers: the test sets the time, and sees what was started and how gains glide.

export class FakeContext {
  static opened = [];

  constructor() {
    Object.assign(this, { currentTime: 100, outputLatency: 0, destination: {}, sources: [], resumed: 0 });
    FakeContext.opened.push(this);
  }

  resume() {
    this.resumed++;
  }

  close() {
    this.closed = true;
  }
}

class FakeNode {
  connect(to) {
    this.to = to;
    return to;
  }
}

class FakeGain extends FakeNode {
  constructor(context, { gain }) {
    super();
    this.glides = [];
    this.gain = { value: gain, setTargetAtTime: (value, when_s) => this.glides.push([value, when_s]) };
  }
}

class FakeSource extends FakeNode {
  constructor(context, { buffer, loop }) {
    super();
    Object.assign(this, { buffer, loop });
    context.sources.push(this);
  }

  start(when_s, from_s) {
    this.started = [when_s, from_s];
  }

  stop(when_s) {
    this.stopped = when_s;
  }
}

/** Decodes bytes [seconds] to a buffer of that duration; a first byte of 255 cannot be decoded. */
class FakeOffline {
  async decodeAudioData(bytes) {
    const [duration] = new Uint8Array(bytes);
    if (duration === 255) throw new Error("no FLAC");
    return { duration };
  }
}

export function installAudio() {
  FakeContext.opened = [];
  Object.assign(globalThis, {
    AudioContext: FakeContext,
    GainNode: FakeGain,
    AudioBufferSourceNode: FakeSource,
    OfflineAudioContext: FakeOffline,
  });
}

/** Return bytes that decode to so many seconds; `mark` tells sounds of one length apart. */
export function sound(seconds, mark = 0) {
  return new DataView(Uint8Array.from([seconds, mark]).buffer);
}

export const nothing = new DataView(new ArrayBuffer(0));
