// The sounds of a player: their FLAC bytes, decoded once.

export const SIDES = ["dry", "wet", "decoded", "algebra"];

const RATE_HZ = 48000;

/** Return the Adler-32 checksum of a DataView, in hex: sounds are told apart by it. */
export function adler32(view) {
  let low = 1;
  let high = 0;
  for (let i = 0; i < view.byteLength; i++) {
    low = (low + view.getUint8(i)) % 65521;
    high = (high + low) % 65521;
  }
  return (high * 65536 + low).toString(16).padStart(8, "0");
}

async function decode(view) {
  if (!view.byteLength) return undefined;
  const end = view.byteOffset + view.byteLength;
  const flac = view.buffer.slice(view.byteOffset, end); // a copy, as decoding empties its input
  return new OfflineAudioContext(2, 1, RATE_HZ).decodeAudioData(flac);
}

/**
 * Return `{ sounds, problem }`: of each side `{ code, buffer }`, and why one could not be decoded, if so.
 * `read(side)` gives the bytes, a DataView; those that `known` sounds have already are not decoded again.
 */
export async function decodeAll(read, known) {
  const sounds = {};
  let problem = "";
  for (const side of SIDES) {
    const bytes = read(side);
    const code = adler32(bytes);
    sounds[side] = Object.values(known).find((sound) => sound.code === code) ?? { code };
    try {
      sounds[side].buffer ??= await decode(bytes);
    } catch (error) {
      problem = `This browser cannot decode the sound: ${error.message}`;
    }
  }
  return { sounds, problem };
}
