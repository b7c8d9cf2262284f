// What a plan says of the memory of shards that take updates is what they take.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { UPDATES_BYTES } from '../../src/kernel/answer-layout.ts';
import { dtypes } from '../../src/kernel/dtype.ts';
import { BUCKET_BYTES, INDEX_BUCKETS, INDEX_HEADER_BYTES } from '../../src/kernel/layout.ts';
import { dimMax, indexedRowsMax, shardBytesMax, tableRowsMax } from '../../src/limits.ts';
import { numberedShards } from '../../src/plan/routing-table.ts';
import { shardBytes, shardSpanMax } from '../../src/plan/shard-size.ts';
import { allocationAlignBytes } from '../../src/store/free-list.ts';
import { spareRowsMin } from '../../src/update-limits.ts';
import type { Cluster } from '../cluster.ts';
import { keyCount, startChanging } from './changing-tables.ts';
import { updatedReleases } from './updated-releases.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startChanging();
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

test('rows, spare rows, index and record take what was predicted', async () => {
  const releases = updatedReleases();
  const { routing, file } = cluster;
  const { shards, memories } = releases.updatesOf([await releases.load({ routing, tables: file })]);
  for (const [i, { table, shard }] of numberedShards(routing).entries()) {
    const { rows, index, updates, arena } = shards[i];
    const words = new Uint32Array(memories[arena].buffer);
    const buckets = index === 0 ? 0 : words[(index + INDEX_BUCKETS) >>> 2];
    const taken = updates + UPDATES_BYTES - rows.address + buckets * BUCKET_BYTES;
    expect(rows.rows).toBe(table.indexed ? keyCount + spareRowsMin : keyCount);
    const lines = allocationAlignBytes + (index === 0 ? 0 : INDEX_HEADER_BYTES + 2 * BUCKET_BYTES);
    const predicted = shardBytes(table, shard);
    expect(taken).toBeLessThanOrEqual(predicted + lines);
    // The index takes a little less than is predicted for any number of ids.
    expect(taken).toBeGreaterThan(predicted * 0.95 - lines);
  }
  expect(releases.held.rows).toBe(keyCount * shards.length);
});

test('the largest shard fits in an arena, whether its table takes updates or not', () => {
  for (const dtype of dtypes)
    for (const dim of [1, 7, 128, dimMax])
      for (const indexed of [false, true])
        for (const updates of [undefined, true] as const) {
          const rows = indexed ? indexedRowsMax : tableRowsMax;
          const defaultRow = new Array<number>(dim).fill(0);
          const table = {
            spec: { name: 't', rows, dim, mode: 'sum', dtype, defaultRow },
            indexed,
            updates,
          } as const;
          const end = shardSpanMax(table);
          expect(end).toBeGreaterThan(0);
          expect(shardBytes(table, { begin: 0, end })).toBeLessThanOrEqual(shardBytesMax);
        }
});
