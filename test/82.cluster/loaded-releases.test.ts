// What a node has loaded, whatever becomes of a load.
import { expect, test } from 'vitest';
import { LoadedReleases, type ShardReader } from '../../src/host/loaded-releases.ts';
import { kernelModule } from '../../src/kernel/files.ts';
import { MemoryNode } from '../../src/memory-node/memory-node.ts';
import { noUpdates } from '../../src/memory-node/update-record.ts';
import { numberedShards, type RoutingTable } from '../../src/plan/routing-table.ts';
import { Store } from '../../src/store/store.ts';
import { chainName } from '../../src/updates/chain-name.ts';
import type { Inbox } from '../../src/wire/handler.ts';
import { lookupFrame } from '../50.memory-node/lookups.ts';

function routing(version: number): RoutingTable {
  const spec = { name: 't', rows: 4, dim: 1, mode: 'sum' } as const;
  const shards = [{ node: 'n', begin: 0, end: 4 }];
  return { nodes: [{ id: 'n' }], tables: [{ spec, version, indexed: false, shards }] };
}

/** Reads nothing, into memory that is there. Each release needs an arena of its own. */
class FaultyReader implements ShardReader {
  readonly module: WebAssembly.Module = kernelModule('shared');
  readonly store: Store = new Store(this.module, { slotBytes: 2 ** 23 });
  readonly spareBytes = 0;
  fails = false;
  /** Reads that have begun, and end when they are resolved. */
  readonly reloads: PromiseWithResolvers<undefined>[] = [];

  async read(
    ...[, shards]: Parameters<ShardReader['read']>
  ): Promise<Awaited<ReturnType<ShardReader['read']>>> {
    const { store } = this;
    const extent = store.allocate(store.arenas.length === 0 ? 64 : 2 ** 20, 0);
    if (this.fails) {
      store.free(extent);
      throw new Error('the file is damaged');
    }
    const rows = { address: extent.address, rows: 4, rowBase: 0, tableRows: 4, rowBytes: 4, dim: 1 };
    const shard = { ...rows, dtype: 'f32', finite: true, defaultRow: 0, last: true } as const;
    const loaded = shards.map((planned) => {
      const how = { mode: 'sum', missing: 'error', padding: undefined, index: 0, touch: false } as const;
      const updates = noUpdates;
      const arena = store.arenas.indexOf(extent.arena);
      const { number } = planned;
      const version = planned.table.version;
      return {
        planned,
        hosted: { number, version, arena, rows: shard, updates, ...how },
        extents: { shard: { ...extent, rows: shard }, index: undefined },
      };
    });
    return { loaded, contents: {} };
  }

  reload(): Promise<undefined> {
    const reload = Promise.withResolvers<undefined>();
    this.reloads.push(reload);
    return reload.promise;
  }
}

test('a load that makes an arena and fails leaves what is served as it was, and the next one succeeds', async () => {
  const reader = new FaultyReader();
  const { store } = reader;
  const releases = new LoadedReleases({ node: 'n', workers: 2, takesUpdates: true }, reader);
  const node = new MemoryNode('n', []);
  const first = await releases.load({ routing: routing(1), tables: '/1' });
  reader.fails = true;
  await expect(releases.load({ routing: routing(2), tables: '/2' })).rejects.toThrow('damaged');
  expect(store.arenas).toHaveLength(2);
  await node.host(releases.hostings(first)[0]);
  expect(node.describe().plan).toBe(first);
  // Whoever writes rows has memory of its own in each arena that it knows.
  const updated = releases.updatesOf([first]);
  expect(updated.memories).toHaveLength(updated.staging.length);
  reader.fails = false;
  const second = await releases.load({ routing: routing(3), tables: '/3' });
  await node.host(releases.hostings(second)[1], releases.hostings(first)[1]);
  expect(node.describe().releases?.map(({ plan }) => plan)).toEqual([second, first]);
  // The rows of a release are in use until the last reply that was planned for it is gone.
  const frame = lookupFrame(routing(1), 't', [0, 1]);
  const held = node.admit(frame.length) as Inbox;
  held.frame.set(frame);
  held.answer(() => {});
  let isUnused = false;
  const unused = node.host(releases.hostings(second)[1]).then(() => {
    isUnused = true;
  });
  await new Promise((done) => setTimeout(done));
  expect(isUnused).toBe(false);
  held.release();
  await unused;
});

test('rows are read again by one at a time, and also after one that has failed', async () => {
  const reader = new FaultyReader();
  const releases = new LoadedReleases({ node: 'n', workers: 1 }, reader);
  await releases.load({ routing: routing(1), tables: '/1' });
  const [shard] = numberedShards(routing(1));
  const all = [1, 2, 3].map(() => releases.reload(chainName(shard)));
  const outcomes = Promise.allSettled(all);
  for (let i = 0; i < all.length; i++) {
    await new Promise((turn) => setImmediate(turn));
    expect(reader.reloads).toHaveLength(i + 1);
    if (i === 0) reader.reloads[i].reject(new Error('the file is away'));
    else reader.reloads[i].resolve(undefined);
  }
  expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
});
