/** A table and bags drawn from a seed: the same on every thread, and in whatever checks the page. */
export interface Drawn {
  readonly table: Float32Array;
  readonly keys: Uint32Array;
  readonly offsets: Uint32Array;
}

export const dim = 64;
const rows = 20_000;
const bags = 256;
const bagKeys = 40;

export function drawBags(): Drawn {
  let state = 1;
  const next = (): number => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
    return (state ^ (state >>> 13)) >>> 0;
  };
  return {
    table: Float32Array.from({ length: rows * dim }, () => next() / 2 ** 32 - 0.5),
    keys: Uint32Array.from({ length: bags * bagKeys }, () => next() % rows),
    offsets: Uint32Array.from({ length: bags + 1 }, (_, bag) => bag * bagKeys),
  };
}

/** FNV-1a of the bits, 32 bits. */
export function digestOf(values: Float32Array): number {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return bytes.reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193) >>> 0, 0x811c9dc5);
}
