import fc from 'fast-check';
import { expect, test } from 'vitest';
import { batchRowsMax } from '../../src/update-limits.ts';
import { batchBytes, readBatch, writeBatch } from '../../src/updates/batch.ts';
import { runs } from '../runs.ts';

const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const position = fc.record({
  incarnation: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  number: fc.bigInt({ min: 0n, max: 2n ** 64n - 2n }),
  digest: u64,
});
const rows = fc
  .tuple(fc.integer({ min: 1, max: 9 }), fc.array(u64, { maxLength: 6 }), fc.array(u64, { maxLength: 6 }))
  .chain(([dim, keys, deletes]) =>
    fc.float32Array({ minLength: keys.length * dim, maxLength: keys.length * dim }).map((values) => ({
      dim,
      keys: BigUint64Array.from(keys),
      rows: values,
      deletes: BigUint64Array.from(deletes),
    })),
  );

test('a batch is read as it was written', () => {
  fc.assert(
    fc.property(rows, position, fc.nat(), fc.nat(7), (given, after, madeAt, shift) => {
      const sequence = 2 * madeAt;
      const { bytes, position: own } = writeBatch(given, { sequence, position: after }, madeAt);
      expect(bytes.length).toBe(
        batchBytes(given.keys.length, given.deletes.length, given.keys.length && given.dim),
      );
      // It may begin anywhere in a larger buffer.
      const there = new Uint8Array(bytes.length + shift);
      there.set(bytes, shift);
      const { dim: _, ...wanted } = given;
      const read = readBatch(Buffer.from(there.buffer, shift));
      expect(read).toMatchObject({
        ...wanted,
        madeAt,
        after: sequence,
        previous: after.digest,
        position: own,
      });
      expect(own).toMatchObject({ incarnation: after.incarnation, number: after.number + 1n });
    }),
    { numRuns: runs.updateBatches },
  );
});

test('a batch that was changed anywhere is refused', () => {
  fc.assert(
    fc.property(rows, position, fc.nat(), fc.nat(31), (given, after, where, bit) => {
      const { bytes } = writeBatch(given, { sequence: 5, position: after }, 7);
      const words = new Uint32Array(bytes.slice().buffer);
      words[where % words.length] ^= 1 << bit;
      expect(() => readBatch(new Uint8Array(words.buffer))).toThrow(
        expect.objectContaining({ code: 'INVALID_FRAME', field: 'batch' }),
      );
    }),
    { numRuns: runs.updateBatches },
  );
});

test('anything else is refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(() => readBatch(bytes)).toThrow(expect.objectContaining({ code: 'INVALID_FRAME' }));
    }),
    { numRuns: runs.updateBatches },
  );
  const many = new BigUint64Array(batchRowsMax + 1);
  const { bytes } = writeBatch(
    { keys: many, rows: new Float32Array(many.length), deletes: new BigUint64Array() },
    { sequence: 0, position: { incarnation: 1, number: 0n, digest: 0n } },
    0,
  );
  expect(() => readBatch(bytes)).toThrow(/more than/);
});
