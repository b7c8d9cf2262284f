// The checksum of a frame in plain integers. The kernels must give the same.
import { CHECKSUM_BLOCK_BYTES } from '../../src/kernel/layout.ts';
import * as wire from '../../src/wire/layout.ts';

const blockWords = CHECKSUM_BLOCK_BYTES / 4;
const weightsMax = 8192;

/** The checksum of a frame of whole words as in docs/wire.md. Ignores the length and flags in the header. */
export function checksumOf(frame: Uint8Array): number {
  const words = new Uint32Array(frame.slice().buffer);
  const header = words.slice(0, wire.HEADER_BYTES / 4);
  header[wire.FRAME_CHECKSUM / 4] = 0;
  const body = words.slice(wire.HEADER_BYTES / 4);
  const padded = new Uint32Array(Math.ceil(body.length / blockWords) * blockWords);
  padded.set(body);
  const all = [...padded, ...header];
  let mixed = 0n;
  for (let begin = 0; begin < all.length; begin += weightsMax * blockWords) {
    const weighted = new Array<bigint>(blockWords).fill(0n);
    const plain = [0n, 0n, 0n, 0n];
    all.slice(begin, begin + weightsMax * blockWords).forEach((word, i) => {
      const block = BigInt(Math.floor(i / blockWords));
      const [low, high] = [BigInt.asIntN(16, BigInt(word)), BigInt.asIntN(16, BigInt(word >>> 16))];
      weighted[i % blockWords] +=
        low * ((10124n * block + 1n) % 32768n) + high * ((6548n * block + 3n) % 32768n);
      plain[i % 4] += BigInt(word);
    });
    mixed = [...weighted, ...plain].map(u32).reduce(round, mixed);
  }
  return Number(finished(mixed));
}

const u32 = (value: bigint): bigint => BigInt.asUintN(32, value);

function round(mixed: bigint, word: bigint): bigint {
  const next = mixed ^ word;
  return u32(u32((next << 13n) | (next >> 19n)) * 5n + 0xe6546b64n);
}

function finished(mixed: bigint): bigint {
  let end = u32((mixed ^ (mixed >> 16n)) * 0x85ebca6bn);
  end = u32((end ^ (end >> 13n)) * 0xc2b2ae35n);
  return end ^ (end >> 16n);
}

/** Copies a frame of version 2 and adds its checksum. */
export function sealed(frame: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = Uint8Array.from(frame);
  const view = new DataView(copy.buffer);
  view.setUint8(wire.FRAME_FLAGS, view.getUint8(wire.FRAME_FLAGS) | wire.HEADER_FLAG_CHECKSUM);
  view.setUint32(wire.FRAME_CHECKSUM, checksumOf(copy), true);
  return copy;
}
