// Compares the checksums of kernels, rankers and error replies with the checksum in plain integers.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { instantiateKernels, kernelModule } from '../../src/kernel/files.ts';
import { CHECKSUM_BLOCK_BYTES, CHECKSUM_BYTES } from '../../src/kernel/layout.ts';
import { checksumWindowBytes } from '../../src/limits.ts';
import { Workspace } from '../../src/lookup/workspace.ts';
import { FrameChecksum } from '../../src/memory-node/frame-checksum.ts';
import type { WorkerArena } from '../../src/memory-node/worker-arena.ts';
import { headerChecksum } from '../../src/wire/frame-identity.ts';
import { HEADER_BYTES } from '../../src/wire/layout.ts';
import { PoisonedMemory } from '../10.kernel/poisoned.ts';
import { runs } from '../runs.ts';
import { checksumOf } from './checksum-oracle.ts';

const extreme = fc.constantFrom(0, 1, 0x80000000, 0xffffffff);
const word = fc.oneof(extreme, fc.integer({ min: 0, max: 0xffffffff }));
const frame = fc
  .array(word, { minLength: HEADER_BYTES / 4, maxLength: 90 })
  .map((words) => new Uint8Array(Uint32Array.from(words).buffer));
const workspace = new Workspace({ module: kernelModule('ranker'), shared: false }, 2 ** 20);

/** Computes the checksum with kernels in a poisoned memory, in pieces of whole blocks. */
function byKernels(bytes: Uint8Array, blocks: readonly number[], shared: boolean): number {
  const poisoned = new PoisonedMemory(1, shared, bytes.length);
  const kernels = instantiateKernels(poisoned.memory);
  const sums = poisoned.place(CHECKSUM_BYTES, 64, true);
  const at = poisoned.put(bytes, 4);
  poisoned.bytes.fill(0, sums, sums + CHECKSUM_BYTES);
  poisoned.seal();
  let next = HEADER_BYTES;
  for (const count of [...blocks, bytes.length]) {
    const piece = Math.min(count * CHECKSUM_BLOCK_BYTES, bytes.length - next);
    kernels.checksumAdd(sums, at + next, piece);
    next += piece;
  }
  const sum = kernels.checksumEnd(sums, at) >>> 0;
  expect(poisoned.strayWrites()).toEqual([]);
  return sum;
}

test('kernels give it in both kinds of memory and for all pieces of whole blocks', () => {
  fc.assert(
    fc.property(
      frame,
      fc.array(fc.nat({ max: 3 }), { maxLength: 5 }),
      fc.boolean(),
      (bytes, pieces, shared) => {
        expect(byKernels(bytes, pieces, shared)).toBe(checksumOf(bytes));
      },
    ),
    { numRuns: runs.frames },
  );
});

test('a ranker gives it, window by window, for a frame outside of its memory', () => {
  fc.assert(
    fc.property(frame, (bytes) => {
      expect(workspace.checksum(bytes)).toBe(checksumOf(bytes));
    }),
    { numRuns: runs.frames },
  );
  // Sizes around a window, and around the number of blocks after which the weights repeat.
  for (const bound of [checksumWindowBytes, 2 * checksumWindowBytes, 2 ** 19, 2 ** 20])
    for (const more of [-128, -64, -4, 0, 4]) {
      const bytes = new Uint8Array(bound + more).map((_, i) => i * 167 + (i >> 8));
      expect([bound, more, workspace.checksum(bytes)]).toEqual([bound, more, checksumOf(bytes)]);
    }
});

test('a node computes it while it writes a frame, in any slices, with other frames in between', () => {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const words = new Uint32Array(memory.buffer);
  const [checksum, at] = [64, 1024];
  const arena = { kernels: instantiateKernels(memory), checksum, words } as unknown as WorkerArena;
  fc.assert(
    fc.property(
      fc.array(word, { minLength: HEADER_BYTES / 4, maxLength: 400 }),
      fc.array(fc.nat({ max: 1_000 }), { maxLength: 5 }),
      fc.integer({ min: 1, max: 2_000 }),
      (given, shares, slice) => {
        const bytes = given.length * 4;
        const others = (): unknown => words.fill(0xdddddddd, checksum / 4, (checksum + CHECKSUM_BYTES) / 4);
        words.fill(0, at / 4);
        const sums = new FrameChecksum(arena, at);
        const body = bytes - HEADER_BYTES;
        const written = shares.map((share) => Math.floor((body * share) / 1_000)).sort((a, b) => a - b);
        for (const count of written) {
          words.set(given.slice(16, 16 + Math.floor(count / 4)), (at + HEADER_BYTES) / 4);
          others();
          sums.addWritten(at + HEADER_BYTES + Math.floor(count / 4) * 4);
        }
        words.set(given.slice(16), (at + HEADER_BYTES) / 4);
        for (others(); !sums.finish(at + bytes, slice); others());
        words.set(given.slice(0, 16), at / 4);
        others();
        expect(sums.end()).toBe(checksumOf(new Uint8Array(Uint32Array.from(given).buffer)));
      },
    ),
    { numRuns: runs.frames },
  );
});

test('the checksum of a frame without a body needs no kernel', () => {
  fc.assert(
    fc.property(fc.array(word, { minLength: 16, maxLength: 16 }), (words) => {
      const header = Uint32Array.from(words);
      expect(headerChecksum(header, 0)).toBe(checksumOf(new Uint8Array(header.buffer)));
    }),
    { numRuns: runs.frames },
  );
});

test('any change of one word or of two bits changes it', () => {
  const change = fc.record({ at: fc.nat(), bits: fc.integer({ min: 1, max: 0xffffffff }) });
  fc.assert(
    fc.property(frame, change, change, (bytes, one, other) => {
      const whole = new Uint32Array(bytes.slice().buffer);
      // Every word except the checksum itself.
      const place = (at: number): number => (at % whole.length) + (at % whole.length === 15 ? 1 : 0);
      const changed = (...all: (typeof one)[]): number => {
        const copy = Uint32Array.of(...whole, 0);
        for (const { at, bits } of all) copy[place(at)] ^= bits;
        return checksumOf(new Uint8Array(copy.buffer, 0, bytes.length + 4));
      };
      const before = changed();
      expect(changed(one)).not.toBe(before);
      const bit = ({ at, bits }: typeof one): typeof one => ({ at, bits: 2 ** (bits % 32) });
      if (place(one.at) !== place(other.at)) expect(changed(bit(one), bit(other))).not.toBe(before);
    }),
    { numRuns: runs.frames },
  );
});

test('two changed bits at any place of a large frame change it', () => {
  const words = new Uint32Array(2 ** 18).map((_, i) => Math.imul(i, 0x9e3779b1));
  const frame = new Uint8Array(words.buffer);
  const before = workspace.checksum(frame);
  const place = fc.integer({ min: HEADER_BYTES / 4, max: words.length - 1 });
  const bit = fc.nat({ max: 31 });
  fc.assert(
    // Changes of the same bit in the same column are the most likely to cancel each other.
    fc.property(place, place, bit, fc.boolean(), (one, apart, which, near) => {
      const other = near
        ? HEADER_BYTES / 4 + ((one + 16 * apart) % (words.length - HEADER_BYTES / 4))
        : apart;
      fc.pre(one !== other);
      words[one] ^= 2 ** which;
      words[other] ^= 2 ** which;
      expect(workspace.checksum(frame)).not.toBe(before);
      words[one] ^= 2 ** which;
      words[other] ^= 2 ** which;
    }),
    { numRuns: runs.frames / 5 },
  );
});
