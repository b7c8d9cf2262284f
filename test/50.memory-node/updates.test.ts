// Replies say which row updates their segments have, and nothing of rows that are being replaced is answered.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { kernelModule } from '../../src/kernel/files.ts';
import { CHECKSUM_BYTES, INDEX_SCRATCH_BYTES, SCRATCH_BYTES } from '../../src/kernel/layout.ts';
import { instantiate } from '../../src/kernel/wasm.ts';
import { MemoryNode } from '../../src/memory-node/memory-node.ts';
import * as wire from '../../src/wire/layout.ts';
import { Reply } from '../../src/wire/reply.ts';
import { sealed } from '../40.wire/checksum-oracle.ts';
import { readSubrequest } from '../40.wire/read-subrequest.ts';
import { Cluster } from '../cluster.ts';
import { localHosting, localNode } from '../local-node.ts';
import { runs } from '../runs.ts';
import { hostingsIn } from './arenas.ts';
import { frameOf, lookupFrame, replyOf, segmentOf, subrequests, timeless } from './lookups.ts';
import { withoutIdentity } from './same-reply.ts';
import { assertUpdated, updatedCases } from './updated-answers.ts';
import { withSequences, withUpdates } from './updated-hosting.ts';
import { ids, inFour, wholeNumbers, wide } from './whole-numbers.ts';

const workBytes = SCRATCH_BYTES + INDEX_SCRATCH_BYTES + CHECKSUM_BYTES;

type Frame = Uint8Array<ArrayBuffer>;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({
    ...{ tables: [...wholeNumbers, wide], nodes: 3, ports: false },
    split: (tables, nodes) => [
      ...inFour(tables.slice(0, -1), nodes),
      { ...tables[tables.length - 1], shards: [{ node: 'n1', begin: 0, end: wide.spec.rows }] },
    ],
  });
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

test.for(['shared', 'plain'] as const)(
  'the number of a segment is the one at which it began, whatever happens between slices: %s kernels',
  (build) => {
    const module = kernelModule(build);
    const kernels = (memory: WebAssembly.Memory): ReturnType<typeof instantiate> =>
      instantiate(module, memory);
    const seen = { answered: 0, sequences: 0, refused: 0, continued: 0 };
    fc.assert(
      fc.property(updatedCases, (of) => assertUpdated(of, { kernels, shared: build === 'shared' }, seen)),
      { numRuns: runs.updatedAnswers },
    );
    console.log(seen);
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(0);
  },
);

const u64 = fc.oneof(fc.constantFrom(0n, 1n, 2n ** 32n, 2n ** 64n - 1n), fc.bigInt(0n, 2n ** 64n - 1n));
const state = fc.record({
  incarnation: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  number: u64,
  reloading: fc.integer({ min: 0, max: 9 }).map((chance) => chance === 0),
});

/** The segments of a frame; none if it is refused when it is read. */
function shardsOf(frame: Frame): number[] {
  const read = readSubrequest(new Uint32Array(frame.slice().buffer), 0, frame.length);
  return 'code' in read ? [] : read.segments.map(({ shard }) => shard);
}

test('with updates, a node in one or many arenas gives the reply of one without, and sequences', async () => {
  const { routing, file } = cluster;
  const plain = await localNode({ tables: file, routing, node: 'n1' });
  const options = { file, routing, node: 'n1', workers: 1 };
  const nodes = await Promise.all(
    // Arenas of 64 bytes, so that no two shards share one; of 600, so that some do.
    [64, 600, undefined].map(async (shardBytes) => {
      const [hosting] = await hostingsIn({ slotBytes: 2 ** 21, ...(shardBytes && { shardBytes }) }, options);
      const { hosting: updated, records } = withUpdates(hosting, (shard) => shard % 3 !== 0);
      // Slices of one key.
      const node = new MemoryNode('n1', [], { sliceBytes: 1 });
      node.host(updated);
      return { node, records };
    }),
  );
  const seen = { answered: 0, sequences: 0, refused: 0, exceptions: 0, sealed: 0 };
  const frames = fc
    .tuple(subrequests(routing, 'n1', [...ids]), fc.constantFrom(1, 2, 2, 2), fc.boolean())
    .map(([frame, version, seal]) => {
      new DataView(frame.buffer).setUint16(wire.FRAME_VERSION, version, true);
      return seal && version > 1 ? sealed(frame) : frame;
    });
  await fc.assert(
    fc.asyncProperty(frames, fc.nat({ max: 2 }), fc.infiniteStream(state), async (frame, which, states) => {
      const { node, records } = nodes[which];
      for (const record of records.values()) {
        const { reloading, ...updatedTo } = states.next().value;
        record.serve(updatedTo);
        if (reloading) record.reload();
      }
      const [reply, got] = await Promise.all([replyOf(plain, frame), replyOf(node, frame)]);
      expect(node.stats.held).toBe(0);
      const { error } = new Reply(reply);
      const replaced = shardsOf(frame).findIndex((shard) => records.get(shard)?.isReloading);
      if (replaced >= 0 && replaced <= (error?.segment ?? Number.POSITIVE_INFINITY)) {
        const refused = new Reply(got).error;
        expect(refused).toMatchObject({ code: 'UNAVAILABLE', segment: replaced });
        expect(refused?.retryAfterMs).toBeGreaterThan(0);
        seen.refused++;
        return;
      }
      const wanted = withSequences(frame, timeless(reply), records);
      expect(withoutIdentity(got)).toEqual(withoutIdentity(wanted));
      if (error !== undefined) return;
      seen.answered++;
      seen.sequences += Number(wanted.length > reply.length);
      if (wanted.length === reply.length) return;
      seen.exceptions += Number(new Reply(got).exceptionCount > 0);
      seen.sealed += Number(new Reply(got).identity.checksum);
    }),
    { numRuns: runs.arenaLookups },
  );
  console.log(seen);
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(runs.arenaLookups / 40);
});

test('the limit of a reply counts its sequences', async () => {
  const { routing, file } = cluster;
  const node = 'n1';
  const keys = new Array(30).fill(1);
  const segment = segmentOf(routing, 'wide', keys);
  const frame = frameOf(routing, [segment]);
  const most = wire.HEADER_BYTES + keys.length * (1024 * 4 + 4 + 4) + wire.SEQUENCE_BYTES;
  const { hosting } = await localHosting({ tables: file, routing, node });
  const { hosting: updated } = withUpdates(hosting, (shard) => shard === segment.shard);
  const answers = [0, -2].map(async (more) => {
    const fresh = new MemoryNode(node, []);
    // A reply may have half of what is left after the memory that kernels work with.
    const slots = updated.slots.map(({ begin }) => ({ begin, end: begin + 2 * most + more + workBytes }));
    fresh.host({ ...updated, slots });
    return { reply: new Reply(await replyOf(fresh, frame)), limit: fresh.describe().limits.replyBytes };
  });
  const [fits, refused] = await Promise.all(answers);
  expect(fits.limit).toBe(most);
  expect(fits.reply.error).toBeUndefined();
  expect(refused.limit).toBe(most - 1);
  expect(refused.reply.error).toMatchObject({
    ...{ code: 'LIMIT_EXCEEDED', position: most, value: BigInt(most - 1) },
  });
});

test('lookups in JSON are answered, and refused while the rows are replaced', async () => {
  const { routing, file } = cluster;
  const { hosting } = await localHosting({ tables: file, routing, node: 'n1' });
  const { hosting: updated, records } = withUpdates(hosting, () => true);
  const [plain, node] = [hosting, updated].map((each) => {
    const fresh = new MemoryNode('n1', []);
    fresh.host(each);
    return fresh;
  });
  for (const record of records.values()) record.serve({ incarnation: 3, number: 2n ** 64n - 1n });
  const body = {
    bags: { int8: { keys: [1, 2, 39], offsets: [0, 1] }, none: { keys: [0, 1, 38, 77], offsets: [0] } },
  };
  expect(await node.lookupJson(body)).toEqual(await plain.lookupJson(body));
  for (const record of records.values()) record.reload();
  await expect(node.lookupJson(body)).rejects.toMatchObject({ code: 'UNAVAILABLE', node: expect.anything() });
  expect(node.stats.held).toBe(0);
  for (const record of records.values()) record.serve({ incarnation: 4, number: 0n });
  expect(await node.lookupJson(body)).toEqual(await plain.lookupJson(body));
});

test('a node whose shards take no updates gives the replies that it gave before', async () => {
  const { routing, file } = cluster;
  const node = await localNode({ tables: file, routing, node: 'n1' });
  const frame = lookupFrame(routing, 'int8', [1, 2]);
  const reply = new Reply(await replyOf(node, frame));
  expect(reply.error).toBeUndefined();
  expect(reply.flags).toBe(0);
  reply.checkLength(wire.HEADER_BYTES + 5 * 4 + 4, 1, 2);
});
