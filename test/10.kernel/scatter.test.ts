import fc from 'fast-check';
import { expect, test } from 'vitest';
import { instantiateKernels } from '../../src/kernel/files.ts';
import { scatterRows } from '../../src/kernel/reference.ts';
import { runs } from '../runs.ts';
import { PoisonedMemory } from './poisoned.ts';

test('rows go to their places, and nothing beside them changes', () => {
  const sizes = fc.oneof(fc.integer({ min: 5, max: 80 }), fc.constantFrom(4, 16, 512, 1031));
  fc.assert(
    fc.property(
      sizes,
      fc.integer({ min: 1, max: 40 }),
      fc.array(fc.nat(), { maxLength: 60 }),
      fc.integer({ min: 1, max: 2 ** 31 }),
      (rowBytes, rows, places, seed) => {
        const numbers = Uint32Array.from(places, (place) => place % rows);
        const from = Uint8Array.from({ length: numbers.length * rowBytes }, (_, i) => (i * 31 + seed) >>> 3);
        const before = Uint8Array.from({ length: rows * rowBytes }, (_, i) => (i * 17) ^ seed);
        const poisoned = new PoisonedMemory(4, true, seed);
        const address = poisoned.place(before.length, 64, true);
        poisoned.bytes.set(before, address);
        const [fromAt, rowsAt] = [poisoned.put(from, 4), poisoned.put(numbers, 4)];
        poisoned.seal();
        const kernels = instantiateKernels(poisoned.memory);
        kernels.approachRows(rowsAt, numbers.length, rowBytes, address);
        expect(poisoned.bytes.slice(address, address + before.length)).toEqual(before);
        kernels.scatterRows(fromAt, rowsAt, numbers.length, rowBytes, address);
        const wanted = before.slice();
        scatterRows(wanted, from, numbers, rowBytes);
        expect(poisoned.bytes.slice(address, address + wanted.length)).toEqual(wanted);
        expect(poisoned.strayWrites()).toEqual([]);
      },
    ),
    { numRuns: runs.scatteredRows },
  );
});
