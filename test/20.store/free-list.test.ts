import fc from 'fast-check';
import { expect, test } from 'vitest';
import { allocationAlignBytes, FreeList, roundUp } from '../../src/store/free-list.ts';
import { runs } from '../runs.ts';

interface Piece {
  readonly address: number;
  readonly bytes: number;
}

/** The bytes that a piece occupies: whole lines, at least one. */
const kept = ({ bytes }: Piece): number => roundUp(Math.max(1, bytes));

/** Finds the gaps between the pieces of a range by going through all of them. */
function gapsOf(pieces: readonly Piece[], begin: number, end: number): { begin: number; bytes: number }[] {
  const gaps: { begin: number; bytes: number }[] = [];
  let at = begin;
  for (const piece of [...pieces].sort((a, b) => a.address - b.address)) {
    if (piece.address > at) gaps.push({ begin: at, bytes: piece.address - at });
    at = piece.address + kept(piece);
  }
  if (end > at) gaps.push({ begin: at, bytes: end - at });
  return gaps;
}

const largest = (gaps: readonly { bytes: number }[]): number =>
  gaps.reduce((most, { bytes }) => Math.max(most, bytes), 0);

const bytes = fc.oneof(
  fc.nat({ max: 300 }),
  fc.nat({ max: 5000 }),
  fc.nat({ max: 80 }).map((lines) => lines * allocationAlignBytes),
);
const step = fc.oneof(fc.record({ allocate: bytes }), fc.record({ free: fc.nat() }));

test('any history of allocate and free gives the first large enough gap, aligned, and loses nothing', () => {
  fc.assert(
    fc.property(
      fc.nat({ max: 1000 }),
      fc.nat({ max: 128 }),
      fc.array(step, { maxLength: 200, size: 'max' }),
      (begin, lines, history) => {
        const end = roundUp(begin) + lines * allocationAlignBytes;
        const room = new FreeList(begin, end);
        const pieces: Piece[] = [];
        for (const action of history) {
          const gaps = gapsOf(pieces, roundUp(begin), end);
          expect(room.largest).toBe(largest(gaps));
          expect(room.bytesFree).toBe(gaps.reduce((sum, gap) => sum + gap.bytes, 0));
          if ('free' in action) {
            const [piece] = pieces.splice(action.free % Math.max(1, pieces.length), 1);
            if (piece) room.free(piece.address, piece.bytes);
            continue;
          }
          const address = room.allocate(action.allocate);
          const fits = gaps.find((gap) => gap.bytes >= kept({ address: 0, bytes: action.allocate }));
          expect(address).toBe(fits?.begin);
          if (address === undefined) continue;
          expect(address % allocationAlignBytes).toBe(0);
          pieces.push({ address, bytes: action.allocate });
        }
        for (const { address, bytes: given } of pieces) room.free(address, given);
        expect(room.largest).toBe(lines * allocationAlignBytes);
        if (lines > 0) expect(room.allocate(lines * allocationAlignBytes)).toBe(roundUp(begin));
        expect(room.largest).toBe(0);
        expect(room.allocate(0)).toBeUndefined();
      },
    ),
    { numRuns: runs.roomHistories },
  );
});

test('freed pieces join their neighbours, in any order', () => {
  const count = 5;
  const orders = (left: number[]): number[][] =>
    left.length === 0
      ? [[]]
      : left.flatMap((one) => orders(left.filter((other) => other !== one)).map((rest) => [one, ...rest]));
  for (const order of orders(Array.from({ length: count }, (_, i) => i))) {
    const room = new FreeList(64, 64 + count * 64);
    const addresses = order.map(() => room.allocate(1) as number);
    expect(new Set(addresses).size).toBe(count);
    for (const i of order) room.free(addresses[i], 1);
    expect(room.largest).toBe(count * 64);
  }
});

test('nothing is allocated past an end that is not aligned', () => {
  const room = new FreeList(0, 100);
  expect(room.allocate(65)).toBeUndefined();
  expect(room.allocate(64)).toBe(0);
  expect(room.allocate(1)).toBeUndefined();
});
