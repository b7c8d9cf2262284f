// Writes hostile bytes to a node's slots. Its replies must be those of a node that gets each frame in one piece.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { MemoryNode } from '../../src/memory-node/memory-node.ts';
import { Reply } from '../../src/wire/reply.ts';
import { hostileFrames, madeToOrder } from '../50.memory-node/hostile-frames.ts';
import { lookupFrame, replyOf, subrequests } from '../50.memory-node/lookups.ts';
import { differInTime, withoutIdentity } from '../50.memory-node/same-reply.ts';
import { ids, wholeNumbers, wide } from '../50.memory-node/whole-numbers.ts';
import { Cluster } from '../cluster.ts';
import { runs } from '../runs.ts';
import { Rogue } from './rogue.ts';

/** The largest slots that a node allows. */
const asked = { slots: 4, requestBytes: 16_384, replyBytes: 65_536 };
let cluster: Cluster;
let twin: Cluster;
let twinNode: MemoryNode;
let rogue: Rogue;
beforeAll(async () => {
  const tables = [...wholeNumbers, wide];
  cluster = await Cluster.start({ tables, nodes: 1, rdma: true });
  twin = await Cluster.start({ tables, nodes: 1, ports: false });
  [twinNode] = twin.handlers.values() as unknown as Iterable<MemoryNode>;
  rogue = await Rogue.connect(cluster.nodes[0].url, asked);
});
afterAll(async () => {
  rogue?.[Symbol.dispose]();
  await Promise.all([cluster, twin].map((each) => each?.[Symbol.asyncDispose]()));
});

let sent = 0;
async function expectAnswered(frame: Uint8Array<ArrayBuffer>): Promise<void> {
  // Larger frames are sent over the stream.
  if (frame.length > asked.requestBytes) return;
  const got = await rogue.ask(sent++ % asked.slots, frame);
  const wanted = await replyOf(twinNode, frame);
  if (differInTime(frame, got, wanted)) return;
  if (wanted.length > asked.replyBytes) expect(new Reply(got).error?.code).toBe('LIMIT_EXCEEDED');
  else expect(withoutIdentity(got)).toEqual(withoutIdentity(wanted));
}

test('a frame for each kind of refusal', async () => {
  const { subrequestBytes } = twinNode.describe().limits;
  for (const frame of madeToOrder(cluster.routing, subrequestBytes)) await expectAnswered(frame);
});

test('changed frames and random bytes', async () => {
  const hostile = hostileFrames(subrequests(cluster.routing, 'n0', [...ids]));
  await fc.assert(fc.asyncProperty(hostile, expectAnswered), { numRuns: runs.hostileFrames });
});

test('the node holds no subrequest afterwards, and still answers', async () => {
  const [node] = cluster.handlers.values() as unknown as Iterable<MemoryNode>;
  await expect.poll(() => node.stats.held).toBe(0);
  await expectAnswered(lookupFrame(cluster.routing, 'sum', [1, 2, 3]));
});
