// Sound from the microphone, as it comes, until it is stopped; and such sound as a WAV file.

export const RATE_HZ = 48000;

const BLOCK = 2048; // samples that the audio thread hands over at a time

// The audio thread has no other way to get its code than from an address.
const PROCESSOR = `registerProcessor("latentfx-recording", class extends AudioWorkletProcessor {
  block = new Float32Array(${BLOCK}); filled = 0;
  process([[channel]]) {
    for (const sample of channel ?? []) {
      this.block[this.filled++] = sample;
      if (this.filled < ${BLOCK}) continue;
      this.port.postMessage(this.block.slice());
      this.filled = 0;
    }
    return true;
  }
});`;

// What is to be studied is the sound itself, not what telephones make of it.
const WISHES = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };

/** Say whether the browser lets a page ask for the microphone: only those that came safely may. */
export function canRecord(scope = globalThis) {
  const devices = scope.isSecureContext && scope.navigator?.mediaDevices;
  return Boolean(devices?.getUserMedia && scope.AudioWorkletNode);
}

/** Return what to say of an error that asking for the microphone ended with. */
export function refusal(error) {
  if (error.name === "NotAllowedError") return "The microphone was refused: allow it in the address bar.";
  if (error.name === "NotFoundError") return "No microphone was found: connect one.";
  return `The microphone cannot be used: ${error.message}`;
}

/** Return the 44 bytes that a mono WAV file of 16 bits begins with, as numbers of 16 bits. */
function wavHead(samples, rate_hz) {
  const text = (four) => [0, 2].map((i) => four.charCodeAt(i) + 256 * four.charCodeAt(i + 1));
  const long = (number) => [number & 0xffff, number >>> 16];
  const form = [...long(16), 1, 1, ...long(rate_hz), ...long(2 * rate_hz), 2, 16];
  const whole = [...text("RIFF"), ...long(36 + 2 * samples), ...text("WAVE"), ...text("fmt ")];
  return [...whole, ...form, ...text("data"), ...long(2 * samples)];
}

/** Return blocks of samples between -1 and 1 as a mono WAV file of 16 bits. */
export function wavOf(blocks, rate_hz = RATE_HZ) {
  const samples = blocks.reduce((sum, block) => sum + block.length, 0);
  const head = wavHead(samples, rate_hz);
  const view = new DataView(new ArrayBuffer(44 + 2 * samples));
  head.forEach((number, i) => view.setUint16(2 * i, number, true));
  let at = 44;
  for (const block of blocks) {
    for (const sample of block) {
      view.setInt16(at, Math.round(32767 * Math.max(-1, Math.min(1, sample))), true);
      at += 2;
    }
  }
  return view.buffer;
}

async function listen(context, stream, take) {
  const address = URL.createObjectURL(new Blob([PROCESSOR], { type: "text/javascript" }));
  try {
    await context.audioWorklet.addModule(address);
  } finally {
    URL.revokeObjectURL(address);
  }
  const node = new AudioWorkletNode(context, "latentfx-recording");
  node.port.onmessage = ({ data }) => take(data);
  context.createMediaStreamSource(stream).connect(node);
  node.connect(context.destination); // it is silent, and only what leads there runs
  await context.resume();
}

const loudest = (block) => block.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);

/**
 * Record from the microphone; return `stop`, which ends it and returns blocks of samples. Rejects if refused.
 * `tell(level, seconds)` is called as sound comes, `full()` once there are `most_s` seconds.
 */
export async function record(most_s, tell, full) {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: WISHES });
  const context = new AudioContext({ sampleRate: RATE_HZ });
  const blocks = [];
  const stop = () => {
    stream.getTracks().forEach((track) => track.stop());
    if (context.state !== "closed") context.close();
    return blocks;
  };
  const take = (block) => {
    const seconds = ((blocks.length + 1) * BLOCK) / RATE_HZ;
    if (seconds > most_s) return full();
    blocks.push(block);
    tell(loudest(block), seconds);
  };
  try {
    await listen(context, stream, take);
  } catch (error) {
    stop();
    throw error;
  }
  return stop;
}
