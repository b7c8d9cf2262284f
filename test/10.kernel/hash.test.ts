import fc from 'fast-check';
import { expect, test } from 'vitest';
import { instantiateKernels } from '../../src/kernel/files.ts';
import { runs } from '../runs.ts';
import { PoisonedMemory } from './poisoned.ts';

const u64 = (x: bigint): bigint => BigInt.asUintN(64, x);

/** The low word of MurmurHash3's finaliser. Routing tables cut indexed tables by it, so it must never change. */
function reference(key: bigint): number {
  let x = u64(key);
  x = u64((x ^ (x >> 33n)) * 0xff51afd7ed558ccdn);
  x = u64((x ^ (x >> 33n)) * 0xc4ceb9fe1a85ec53n);
  return Number((x ^ (x >> 33n)) & 0xffffffffn);
}

test('ids hash to the same shards in every version', () => {
  const ids = fc.array(fc.bigInt(0n, 2n ** 64n - 1n), { minLength: 1, maxLength: 300 });
  fc.assert(
    fc.property(ids, fc.integer(), (keys, seed) => {
      const poisoned = new PoisonedMemory(2, false, seed);
      const at = poisoned.put(BigUint64Array.from(keys), 8);
      const hashes = poisoned.place(keys.length * 4, 4, true);
      poisoned.seal();
      instantiateKernels(poisoned.memory).shardHashes(at, hashes, keys.length);
      expect([...new Uint32Array(poisoned.memory.buffer, hashes, keys.length)]).toEqual(keys.map(reference));
      expect(poisoned.strayWrites()).toEqual([]);
    }),
    { numRuns: runs.indexHistories },
  );
});
