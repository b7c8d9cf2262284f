import fc from 'fast-check';
import { expect, test } from 'vitest';
import { instantiateKernels } from '../../src/kernel/files.ts';
import { DEDUPE_HEADER_BYTES } from '../../src/kernel/layout.ts';
import { deduplicate } from '../../src/kernel/reference.ts';
import { runs } from '../runs.ts';
import { PoisonedMemory } from './poisoned.ts';

const key = fc.oneof(fc.bigInt({ min: 0n, max: 60n }), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }));

test('unique keys are in order of first occurrence, and the inverse maps back to all keys', () => {
  fc.assert(
    fc.property(
      fc.array(key, { maxLength: 3000, size: 'max' }).map((keys) => BigUint64Array.from(keys)),
      fc.integer({ min: 0, max: 3 }),
      fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 6 }),
      (keys, slack, before) => {
        const poisoned = new PoisonedMemory(8, true, keys.length);
        const kernels = instantiateKernels(poisoned.memory);
        const entries = 2 ** (Math.ceil(Math.log2(Math.max(2, keys.length * 2))) + slack);
        const keysAt = poisoned.put(keys, 8);
        const uniqueAt = poisoned.place(keys.byteLength, 8, true);
        const inverseAt = poisoned.place(keys.length * 4, 4, true);
        const table = poisoned.place(DEDUPE_HEADER_BYTES + entries * 4, 64, true);
        poisoned.bytes.fill(0, table, table + DEDUPE_HEADER_BYTES + entries * 4);
        poisoned.seal();
        // A table that earlier batches have used, some with other sizes, must work as well as a fresh one.
        for (const earlier of before) {
          kernels.deduplicate(keysAt, Math.floor(keys.length / earlier), uniqueAt, inverseAt, table, entries);
        }
        const count = kernels.deduplicate(keysAt, keys.length, uniqueAt, inverseAt, table, entries);
        const { buffer } = poisoned.memory;
        expect({
          unique: new BigUint64Array(buffer, uniqueAt, count).slice(),
          inverse: new Uint32Array(buffer, inverseAt, keys.length).slice(),
        }).toEqual(deduplicate(keys));
        expect(poisoned.strayWrites()).toEqual([]);
      },
    ),
    { numRuns: runs.dedupeBatches },
  );
});

test('a table works after its generations wrap around', () => {
  const poisoned = new PoisonedMemory(16, true, 1);
  const kernels = instantiateKernels(poisoned.memory);
  const keys = BigUint64Array.from({ length: 20_000 }, (_, i) => BigInt(i % 15_000));
  const [keysAt, uniqueAt] = [poisoned.put(keys, 8), poisoned.place(keys.byteLength, 8)];
  const [inverseAt, table] = [poisoned.place(keys.length * 4, 4), poisoned.place(64 + 65536 * 4, 64)];
  poisoned.bytes.fill(0, table, table + DEDUPE_HEADER_BYTES + 65536 * 4);
  // 20,000 keys take 15 bits of an entry, which leaves 17 for the generation.
  const generations = 2 ** 17;
  poisoned.words[table >>> 2] = (generations - 3) * 2 ** 15;
  poisoned.words[(table + 4) >>> 2] = 15;
  for (let call = 0; call < 6; call++) {
    expect(kernels.deduplicate(keysAt, keys.length, uniqueAt, inverseAt, table, 65536)).toBe(15_000);
  }
});
