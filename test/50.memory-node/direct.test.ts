// Frames that a peer writes directly to the node's memory. The peer can still change a frame while it is answered.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MemoryNode } from '../../src/memory-node/memory-node.ts';
import { HEADER_BYTES, SEGMENT_BYTES } from '../../src/wire/layout.ts';
import { Reply } from '../../src/wire/reply.ts';
import { Cluster } from '../cluster.ts';
import { localHosting } from '../local-node.ts';
import { runs } from '../runs.ts';
import type { GivenTable } from '../tables-file.ts';
import { frameOf, replyOf, segmentOf, timeless } from './lookups.ts';

/** Rows are wide, so that pooling a frame of a few KiB takes many slices. */
const [rows, dim] = [40, 1_024];
const values = Float32Array.from({ length: rows * dim }, (_, i) => ((i * 37) % 17) - 8);
const ids = BigUint64Array.from(
  { length: rows },
  (_, row) => (BigInt(row) * 0x9e3779b97f4a7c15n) % 2n ** 64n,
);
const tables: readonly GivenTable[] = [
  { spec: { name: 'sum', rows, dim, mode: 'sum' }, rows: values },
  { spec: { name: 'mean', rows, dim, mode: 'mean', missing: 'skip' }, rows: values },
  { spec: { name: 'id', rows, dim, mode: 'sum', missing: 'skip' }, rows: values, ids },
];
const keysOfSegment = 240;
const guardBytes = 16_384;

let cluster: Cluster;
let node: MemoryNode;
let frame: Uint8Array<ArrayBuffer>;
let expected: Uint8Array;
let headBytes: number;
beforeAll(async () => {
  cluster = await Cluster.start({ tables, nodes: 1, ports: false });
  const { routing } = cluster;
  const { hosting } = await localHosting({ tables: cluster.file, routing, node: 'n0' });
  node = new MemoryNode('n0', [], { sliceBytes: 65_536 });
  node.host(hosting);
  const keys = Array.from({ length: keysOfSegment }, (_, i) => (i * 7) % rows);
  const lengths = [100, 0, 140];
  const weights = Float32Array.from(keys, (key) => (key % 5) - 2);
  const segments = [
    segmentOf(routing, 'sum', keys, { lengths }),
    segmentOf(
      routing,
      'id',
      keys.map((key) => ids[key]),
      { lengths },
    ),
    segmentOf(routing, 'mean', keys, { lengths, weights }),
    segmentOf(routing, 'sum', keys.slice(0, 9), { fetch: true }),
  ];
  headBytes = HEADER_BYTES + segments.length * SEGMENT_BYTES;
  frame = frameOf(routing, segments);
  expected = timeless(await replyOf(node, frame));
  expect(new Reply(Uint8Array.from(expected)).error).toBeUndefined();
});
afterAll(async () => await cluster?.[Symbol.asyncDispose]());

interface Write {
  /** 0: before the answer begins; else the number of turns of the event loop after that. */
  readonly turn: number;
  readonly word: number;
  readonly value: number;
}

/** Answers the frame in place, with writes to it meanwhile. Bytes around its memory and its answer must not change. */
async function answered(writes: readonly Write[]): Promise<Uint8Array> {
  const lend = (bytes: number) => node.lend(bytes) ?? expect.fail('no memory');
  const before = lend(guardBytes);
  const lent = lend(guardBytes);
  const { buffer, byteOffset } = lent.bytes;
  const words = new Uint32Array(buffer, byteOffset, guardBytes >>> 2);
  lent.bytes.set(frame);
  const inbox = node.admitAt(byteOffset, frame.length);
  if ('code' in inbox) return expect.fail(inbox.code);
  const write = (now: number): void => {
    for (const { turn, word, value } of writes) if (turn === now) words[word] = value;
  };
  write(0);
  const { promise, resolve } = Promise.withResolvers<Uint8Array>();
  inbox.answer((reply) => resolve(Uint8Array.from(reply)));
  // This memory is behind that of the answer.
  const after = lend(guardBytes);
  const guards = [before, after];
  for (const guard of guards) guard.bytes.fill(0xab);
  let over = false;
  void promise.then(() => {
    over = true;
  });
  for (let turn = 1; !over; turn++) {
    write(turn);
    await new Promise(setImmediate);
  }
  const reply = await promise;
  inbox.release();
  for (const guard of guards) {
    expect(guard.bytes.every((byte) => byte === 0xab)).toBe(true);
    guard.release();
  }
  lent.release();
  return reply;
}

const value = fc.oneof(
  fc.nat({ max: 2_000 }),
  fc.constantFrom(0, 1, 0x7fffffff, 0xffffffff, 0x00ffffff, 1_000_000),
  fc.integer({ min: 0, max: 2 ** 32 - 1 }),
);
const writesTo = (first: number, end: number): fc.Arbitrary<Write[]> =>
  fc.array(fc.record({ turn: fc.nat({ max: 40 }), word: fc.integer({ min: first, max: end - 1 }), value }), {
    minLength: 1,
    maxLength: 12,
  });

test('changes of the header and the entries have no effect on the answer', async () => {
  const writes = writesTo(0, headBytes >>> 2);
  const property = fc.asyncProperty(writes, async (drawn) => {
    expect(timeless(await answered(drawn))).toEqual(expected);
  });
  await fc.assert(property, { numRuns: runs.changingFrames });
});

test('changes of keys, offsets and weights affect only the answer of the frame', async () => {
  const seen = new Set<string>();
  const writes = writesTo(headBytes >>> 2, frame.length >>> 2);
  const property = fc.asyncProperty(writes, async (drawn) => {
    const reply = await answered(drawn);
    const code = new Reply(Uint8Array.from(reply)).error?.code;
    if (code === undefined) expect(reply.length).toBeLessThanOrEqual(expected.length + keysOfSegment * 4 * 4);
    else expect(['INVALID_KEY', 'INVALID_OFFSETS']).toContain(code);
    seen.add(code ?? 'none');
    expect(timeless(await replyOf(node, frame))).toEqual(expected);
  });
  // Few words are offsets, so one batch of random changes may miss them.
  for (let batch = 0; batch < 10 && seen.size < 3; batch++)
    await fc.assert(property, { numRuns: runs.changingFrames });
  expect(seen).toEqual(new Set(['none', 'INVALID_KEY', 'INVALID_OFFSETS']));
});

test('the node holds no subrequest afterwards', () => expect(node.stats.held).toBe(0));
