import fc from 'fast-check';
import { expect, test } from 'vitest';
import { instantiateKernels } from '../../src/kernel/files.ts';
import { deduplicate } from '../../src/kernel/reference.ts';
import { runs } from '../runs.ts';
import { PoisonedMemory } from './poisoned.ts';

const key = fc.oneof(fc.bigInt({ min: 0n, max: 60n }), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }));

test('unique keys come in order of first occurrence, and the inverse leads back', () => {
  fc.assert(
    fc.property(
      fc.array(key, { maxLength: 3000, size: 'max' }).map((keys) => BigUint64Array.from(keys)),
      fc.integer({ min: 0, max: 3 }),
      (keys, slack) => {
        const poisoned = new PoisonedMemory(8, true, keys.length);
        const kernels = instantiateKernels(poisoned.memory);
        const entries = 2 ** (Math.ceil(Math.log2(Math.max(2, keys.length * 2))) + slack);
        const keysAt = poisoned.put(keys, 8);
        const uniqueAt = poisoned.place(keys.byteLength, 8, true);
        const inverseAt = poisoned.place(keys.length * 4, 4, true);
        const table = poisoned.place(entries * 4, 4, true);
        poisoned.seal();
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
