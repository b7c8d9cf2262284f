// What a snapshot says of its rows is read as it was written, and nothing else is taken for it.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { numberedShards } from '../../src/plan/routing-table.ts';
import { snapshotName } from '../../src/store/load.ts';
import { changedBytesMax } from '../../src/update-limits.ts';
import { chainName } from '../../src/updates/chain-name.ts';
import { ChangedBytes, ChangedRows } from '../../src/updates/changed-rows.ts';
import { snapshotJson, snapshotOf, snapshotShardOf } from '../../src/updates/snapshot-state.ts';
import { refusal } from '../refusal.ts';
import { runs } from '../runs.ts';
import { routing } from './update-case.ts';

const [given] = routing.tables;
const planned = { ...given, content: 'c0ffee' };
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const u32 = fc.nat({ max: 2 ** 32 - 1 });
const fileOf = (json: string) => ({ path: 'file', metadata: { [snapshotName]: json } });

test('shards of a snapshot are found by their chains', () => {
  fc.assert(
    fc.property(u32, u64, u64, fc.maxSafeNat(), u32, (incarnation, number, digest, sequence, rowsMax) => {
      const own = numberedShards({ tables: [planned] });
      const shards = own.map((each) => ({
        ...{ chain: chainName(each), begin: each.shard.begin, end: each.shard.end, rowsMax },
        at: { sequence, position: { incarnation, number, digest } },
      }));
      const file = fileOf(snapshotJson([{ name: 'rows', content: 'c0ffee', shards }]));
      const found = snapshotOf(file, planned);
      for (const [i, each] of own.entries())
        expect(found && snapshotShardOf(file, found, each)).toEqual(shards[i]);
      expect(snapshotOf(file, { ...planned, content: 'c0ffef' })).toBeUndefined();
      const [other] = numberedShards({ tables: [{ ...planned, version: 2 }] });
      expect(refusal(() => found && snapshotShardOf(file, found, other))).toMatchObject({
        code: 'INVALID_ROUTING',
        message: expect.stringMatching(/of another version/),
      });
    }),
    { numRuns: runs.updateBatches / 4 },
  );
});

test.for([
  ['no JSON', '{'],
  ['another format', '{"format":"flexemr-snapshot-2","tables":[]}'],
  [
    'no number',
    '{"format":"flexemr-snapshot-1","tables":[{"name":"rows","shards":[{"chain":"0123456789abcdef"}]}]}',
  ],
  ['another field', '{"format":"flexemr-snapshot-1","tables":[],"more":1}'],
])('%s is refused', ([, json]) => {
  expect(refusal(() => snapshotOf(fileOf(json), planned))).toMatchObject({
    code: 'INVALID_FILE',
    message: expect.stringMatching(/^file: __metadata__\.flexemr\.updates/),
  });
});

test('changed rows are those of a Map, and have a limit', () => {
  const step = fc.record({ key: fc.bigInt({ min: 0n, max: 30n }), value: fc.option(fc.nat(1000)) });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const rows = new ChangedRows(2, new ChangedBytes());
      const wanted = new Map<bigint, number | null>();
      for (const { key, value } of steps) {
        wanted.set(key, value);
        if (value === null) rows.delete(key);
        else rows.set(key, Float32Array.of(value, -value));
      }
      for (const [key, value] of wanted)
        expect(rows.get(key)).toEqual(value === null ? undefined : Float32Array.of(value, -value));
      const has = (isWritten: boolean): bigint[] =>
        [...wanted].filter(([, value]) => (value !== null) === isWritten).map(([key]) => key);
      expect([[...rows.written()], [...rows.deleted()]]).toEqual([has(true), has(false)]);
    }),
    { numRuns: runs.updateBatches },
  );
  const room = new ChangedBytes();
  room.take(changedBytesMax);
  expect(refusal(() => new ChangedRows(2, room).delete(1n))).toMatchObject({ code: 'LIMIT_EXCEEDED' });
});
