// Credits: the number of subrequests in flight, the order of waiting subrequests, and the recovery from overload.
import { afterEach, expect, test } from 'vitest';
import type { FlexemrError } from '../../src/index.ts';
import { REPLY_REQUEST_CREDITS } from '../../src/wire/layout.ts';
import { wholeNumbers } from '../50.memory-node/whole-numbers.ts';
import { Gate } from '../60.transport/gate.ts';
import { Meddler } from '../60.transport/meddler.ts';
import { Cluster } from '../cluster.ts';

let cluster: Cluster;
afterEach(() => cluster?.[Symbol.asyncDispose]());

const [{ spec }] = wholeNumbers;
const lookupOf = (key: number) => ({ [spec.name]: { keys: [key], offsets: [0] } });

/** Starts a node whose replies grant `credits()` credits. */
async function granting(credits: () => number): Promise<{ gate: Gate }> {
  let gate: Gate | undefined;
  cluster = await Cluster.start({
    tables: wholeNumbers,
    nodes: 1,
    ports: false,
    wrap: (node) => {
      const meddler = new Meddler(node);
      meddler.reply = (frame) => {
        new DataView(frame.buffer).setUint32(REPLY_REQUEST_CREDITS, credits(), true);
        return frame;
      };
      gate = new Gate(meddler as unknown as ConstructorParameters<typeof Gate>[0]);
      return gate;
    },
  });
  return { gate: gate as Gate };
}

test('when the window opens again, one waiter for each credit continues, in the order of arrival', async () => {
  let credits = 1;
  const { gate } = await granting(() => credits);
  await using ranker = await cluster.ranker({ transport: 'loopback', checksums: false });
  // The first reply grants one credit.
  await ranker.lookup(lookupOf(1));
  gate.close();
  const ended: number[] = [];
  const lookups = Array.from({ length: 80 }, async (_, i) => {
    await ranker.lookup(lookupOf(1 + (i % 9)));
    ended.push(i);
  });
  await gate.holds(1);
  credits = 64;
  const [first] = gate.held.splice(0);
  first.pass();
  // All credits of one reply are used at once.
  await gate.holds(64);
  gate.open();
  await Promise.all(lookups);
  expect(ended).toEqual(ended.toSorted((a, b) => a - b));
});

test('a lookup that ends while it waits passes its turn to the next', async () => {
  const { gate } = await granting(() => 1);
  await using ranker = await cluster.ranker({ transport: 'loopback' });
  await ranker.lookup(lookupOf(1));
  gate.close();
  const first = ranker.lookup(lookupOf(1));
  await gate.holds(1);
  const abort = new AbortController();
  const cancelled = ranker.lookup(lookupOf(2), { signal: abort.signal }).catch((error) => error.code);
  const last = ranker.lookup(lookupOf(3));
  abort.abort();
  expect(await cancelled).toBe('CANCELLED');
  gate.open();
  await Promise.all([first, last]);
});

test('a node and its ranker recover from overload', async () => {
  // The node has memory for few large frames, and the gate holds them for some time.
  let gate: Gate | undefined;
  const wrap = (node: ConstructorParameters<typeof Gate>[0]): Gate => {
    gate = new Gate(node);
    return gate;
  };
  cluster = await Cluster.start({ tables: wholeNumbers, nodes: 1, slotBytes: 2 ** 21, wrap });
  await using ranker = await cluster.ranker({ transport: 'stream', pushDown: 'always' });
  const small = async (): Promise<number> => {
    const began = performance.now();
    for (let i = 0; i < 30; i++) await Promise.all([1, 2, 3, 4].map((key) => ranker.lookup(lookupOf(key))));
    return performance.now() - began;
  };
  await small();
  const before = await small();
  const keys = Uint32Array.from({ length: 50_000 }, (_, i) => i % 9);
  gate?.close();
  const outcomes: string[] = [];
  const large = Array.from({ length: 200 }, async () => {
    const lookup = ranker.lookup({ [spec.name]: { keys, offsets: [0] } }, { deadline: 5_000 });
    outcomes.push(
      await lookup.then(
        () => 'answered',
        (error: FlexemrError) => error.code,
      ),
    );
  });
  await expect.poll(() => outcomes).toContain('OVERLOADED');
  gate?.open();
  await Promise.all(large);
  expect(new Set(outcomes)).toEqual(new Set(['OVERLOADED', 'answered']));
  await small();
  // The ranker has recovered. If its window stayed small, lookups would be many times slower.
  expect(Math.min(await small(), await small())).toBeLessThan(5 * before);
});
