// Tables and updates for tests of logs: whatever was acknowledged is what followers have.
import fc from 'fast-check';
import { expect } from 'vitest';
import { instantiateKernels } from '../../src/kernel/files.ts';
import { planSharding } from '../../src/plan/planner.ts';
import { numberedShards, type RoutingTable } from '../../src/plan/routing-table.ts';
import { idHashes } from '../../src/store/id-hashes.ts';
import { Chain, genesis } from '../../src/updates/chain.ts';
import { chainName } from '../../src/updates/chain-name.ts';
import type { UpdateLog } from '../../src/updates/update-log.ts';
import type { Updater } from '../../src/updates/updater.ts';

const memory = new WebAssembly.Memory({ initial: 2 });
export const hasher = { memory, kernels: instantiateKernels(memory) };
export const dim = 3;
export const spec = { rows: 50, dim, mode: 'sum' as const };
export const { routing } = planSharding({
  tables: [
    { spec: { name: 'rows', ...spec }, version: 1, updates: true },
    { spec: { name: 'ids', ...spec, padding: 0 }, version: 1, indexed: true, updates: true },
    { spec: { name: 'sealed', ...spec }, version: 1 },
  ],
  nodes: [{ id: 'a' }, { id: 'b' }, { id: 'c' }],
  split: 'row',
});
/** It never gives up. */
export const patience = {
  check: (): void => {},
  pause: (): Promise<void> => new Promise((done) => setTimeout(done)),
};

export const row = (value: number): number[] => [value, value + 0.25, -value];

/** What a follower of every chain has: the last row of each key. */
export async function replayed(
  log: UpdateLog,
  planned: RoutingTable = routing,
): Promise<Map<string, number[]>> {
  const rows = new Map<string, number[]>();
  for (const { table, shard } of numberedShards(planned)) {
    const { spec, indexed } = table;
    const chain = new Chain(genesis(await log.incarnation()));
    const name = chainName({ table, shard });
    for (
      let at = 0, found = await log.next(name, at);
      found !== undefined;
      found = await log.next(name, at)
    ) {
      at = found.sequence;
      const { batch } = found;
      const judged = chain.judge(batch);
      if (judged === 'known') continue;
      expect(judged).toBe('next');
      chain.advance(batch.position);
      const keys = [...batch.keys, ...batch.deletes];
      // A shard gets its own rows only.
      const places = indexed
        ? [...idHashes(hasher, BigUint64Array.from(keys))].flatMap(({ hashes }) => [...hashes])
        : keys.map(Number);
      for (const place of places) expect(place >= shard.begin && place < shard.end).toBe(true);
      for (const [i, key] of batch.keys.entries())
        rows.set(`${spec.name} ${key}`, [...batch.rows.subarray(i * dim, (i + 1) * dim)]);
      for (const key of batch.deletes) rows.delete(`${spec.name} ${key}`);
    }
  }
  return rows;
}

const keysOf = (most: number): fc.Arbitrary<number[]> =>
  fc.uniqueArray(fc.integer({ min: 1, max: most }), { maxLength: 20 });
const write = fc.record({ rows: keysOf(49), ids: keysOf(60), deletes: keysOf(60) });
/** The writes of some writers. */
export const writers = fc.array(fc.array(write, { maxLength: 5 }), { minLength: 1, maxLength: 3 });

/** Each writer has its own keys, so that the order between writers does not matter. @returns what followers have to have */
export async function writeAll(
  updaters: readonly Updater[],
  all: typeof writers extends fc.Arbitrary<infer T> ? T : never,
): Promise<Map<string, number[]>> {
  let stamp = 0;
  const wanted = new Map<string, number[]>();
  await Promise.all(
    all.map(async (writes, writer) => {
      const own = (keys: number[]): number[] => keys.filter((key) => key % all.length === writer);
      for (const { rows, ids, deletes } of writes) {
        const [keys, written] = [own(rows), own(ids)];
        const gone = own(deletes).filter((key) => !written.includes(key));
        const value = ++stamp;
        for (const key of keys) wanted.set(`rows ${key}`, row(value));
        for (const key of written) wanted.set(`ids ${key}`, row(value));
        for (const key of gone) wanted.delete(`ids ${key}`);
        const updates = {
          rows: { keys, rows: keys.flatMap(() => row(value)) },
          ids: { keys: written, rows: written.flatMap(() => row(value)), deletes: gone },
        };
        await updaters[writer].write(routing, updates, patience);
      }
    }),
  );
  return wanted;
}
