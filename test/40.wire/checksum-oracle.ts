// The checksum of a frame in plain integers: what the kernels are held to.
import { CHECKSUM_BLOCK_BYTES } from '../../src/kernel/layout.ts';
import * as wire from '../../src/wire/layout.ts';

const mask = 2n ** 64n - 1n;
const blockWords = CHECKSUM_BLOCK_BYTES / 4;

/** Of a frame of whole words, whatever its header says. */
export function checksumOf(frame: Uint8Array): number {
  const words = new Uint32Array(frame.slice().buffer);
  const header = words.slice(0, wire.HEADER_BYTES / 4);
  header[wire.FRAME_CHECKSUM / 4] = 0;
  const body = words.slice(wire.HEADER_BYTES / 4);
  const padded = new Uint32Array(Math.ceil(body.length / blockWords) * blockWords);
  padded.set(body);
  const first = [0n, 0n, 0n, 0n];
  const second = [0n, 0n, 0n, 0n];
  [...padded, ...header].forEach((word, i) => {
    first[i % 4] = (first[i % 4] + BigInt(word)) & mask;
    second[i % 4] = (second[i % 4] + first[i % 4]) & mask;
  });
  const sums = [first, second].flatMap((columns) => [0, 2, 1, 3].map((column) => columns[column]));
  const mixed = sums.flatMap((sum) => [sum & 0xffffffffn, sum >> 32n]).reduce(round, 0n);
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

/** A copy of a frame of version 2 that carries its checksum. */
export function sealed(frame: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = Uint8Array.from(frame);
  const view = new DataView(copy.buffer);
  view.setUint8(wire.FRAME_FLAGS, view.getUint8(wire.FRAME_FLAGS) | wire.HEADER_FLAG_CHECKSUM);
  view.setUint32(wire.FRAME_CHECKSUM, checksumOf(copy), true);
  return copy;
}
