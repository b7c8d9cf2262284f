// The tests that every transport must pass. For features that a transport does not have, the suite checks that it does
// not have them.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Bags, KeyedBags, Lookup } from '../../src/index.ts';
import { randomOf } from '../10.kernel/pool-case.ts';
import { bits, expectBits } from '../bits.ts';
import { runs } from '../runs.ts';
import type { Contender } from './contenders.ts';
import { largeBags, Rig, refused, someBags } from './rig.ts';

export function transportSuite(of: Contender): void {
  describe(of.name, () => {
    lookups(of);
    patience(of);
    failures(of);
  });
}

/** Lookups give the bits of one process, also with other lookups in flight. */
function lookups(of: Contender): void {
  let rig: Rig;
  let wanted: (bags: KeyedBags) => Promise<object[]>;
  let close: () => Promise<void>;
  beforeAll(async () => {
    rig = await Rig.start(of, 2);
    const local = await rig.cluster.tables();
    wanted = async (bags) => bits(await local.lookup(bags));
    close = async () => {
      await local.close();
      await rig[Symbol.asyncDispose]();
    };
  });
  afterAll(() => close());

  test('gives the bits of one process', async () => {
    const ranker = await rig.ranker();
    for (let seed = 0; seed < 5; seed++) {
      const bags = someBags(seed, seed * 7);
      expectBits(bits(await ranker.lookup(bags)), await wanted(bags));
    }
    expect(ranker.stats.lookups).toBe(5);
    expect(ranker.stats.bytesIn).toBeGreaterThan(0);
    expect(ranker.stats.bytesOut).toBeGreaterThan(0);
  });

  test('gives each of many concurrent lookups its own result', async () => {
    const ranker = await rig.ranker();
    const all = Array.from({ length: runs.lookupsAtOnce }, (_, seed) => someBags(seed));
    const got = await Promise.all(all.map((bags) => ranker.lookup(bags, { deadline: 60_000 })));
    for (const [i, bags] of all.entries()) expectBits(bits(got[i]), await wanted(bags));
  });

  test('does not mix up requests that are sent before it is connected', async () => {
    const ranker = await rig.ranker();
    // Together the requests are larger than one buffer.
    const all = Array.from({ length: 24 }, (_, i) => {
      const random = randomOf(i);
      const keys = Uint32Array.from({ length: 12_000 }, () => Math.floor(random() * 500));
      return { sum: { keys, offsets: [0, 5_000 + i, 6_000] } };
    });
    const got = await Promise.all(all.map((bags) => ranker.lookup(bags, { deadline: 60_000 })));
    for (const [i, bags] of all.entries()) expectBits(bits(got[i]), await wanted(bags));
  });

  test('transfers frames of megabytes and tiny frames at the same time', async () => {
    const ranker = await rig.ranker();
    const all = Array.from({ length: 3 }, (_, i) => [
      largeBags(i),
      ...Array.from({ length: 12 }, (_, j) => someBags(20 * i + j, 1)),
    ]).flat();
    const got = await Promise.all(all.map((bags) => ranker.lookup(bags, { deadline: 60_000 })));
    for (const [i, bags] of all.entries()) expectBits(bits(got[i]), await wanted(bags));
  });

  test('does not change results until they are disposed', async () => {
    const ranker = await rig.ranker();
    const kept: [Lookup, object[]][] = [];
    for (let seed = 0; seed < 30; seed++) {
      const lookup = await ranker.lookup(someBags(seed, 1 + (seed % 5)));
      if (seed % 2 === 0) kept.push([lookup, bits(lookup)]);
      else lookup[Symbol.dispose]();
    }
    for (const [lookup, before] of kept) expectBits(bits(lookup), before);
  });

  test('gives answers in the order in which they are ready', async () => {
    const ranker = await rig.ranker();
    const gate = rig.gateOf('sum');
    const random = randomOf(3);
    gate.close();
    // fetch has at least this many connections.
    const all = Array.from({ length: 6 }, (_, i) => ({ sum: { keys: [i, i + 1], offsets: [0] } }));
    const settled: number[] = [];
    const lookups: Promise<void>[] = [];
    for (const [i, bags] of all.entries()) {
      lookups.push(
        ranker.lookup(bags).then(async (lookup) => {
          settled.push(i);
          expectBits(bits(lookup), await wanted(bags));
        }),
      );
      await gate.holds(i + 1);
    }
    const order = all.map((_, i) => i).sort(() => random() - 0.5);
    for (const [nth, i] of order.entries()) {
      gate.held[i].pass();
      if (of.outOfOrder) await lookups[i];
      if (of.outOfOrder) expect(settled).toEqual(order.slice(0, nth + 1));
    }
    gate.held = [];
    await Promise.all(lookups);
    gate.open();
    if (!of.outOfOrder) expect(settled).not.toEqual(order);
  });
}

/** Callers that cancel or have deadlines. */
function patience(of: Contender): void {
  const bags = { sum: { keys: [1, 2, 3], offsets: [0, 1] }, ids: { keys: [1], offsets: [0] } };
  let rig: Rig;
  let usual: object[];
  beforeAll(async () => {
    rig = await Rig.start(of, 1);
    usual = bits(await (await rig.ranker()).lookup(bags));
  });
  afterAll(() => rig[Symbol.asyncDispose]());

  test('ends a lookup that its caller cancels, and works after that', async () => {
    const ranker = await rig.ranker();
    const [gate] = rig.gates;
    gate.close();
    const abort = new AbortController();
    const lookup = refused(ranker.lookup(bags, { signal: abort.signal }));
    await gate.holds(1);
    const reason = new Error('the page was left');
    abort.abort(reason);
    const error = await lookup;
    expect(error).toMatchObject({ code: 'CANCELLED', field: 'signal', cause: reason });
    const [held] = gate.held;
    if (of.cancels) while (!held.released) await new Promise((resolve) => setTimeout(resolve, 1));
    else expect(held.released).toBe(false);
    gate.open();
    expectBits(bits(await ranker.lookup(bags)), usual);
    while (!held.released) await new Promise((resolve) => setTimeout(resolve, 1));
  });

  test('does not begin a lookup that was cancelled before', async () => {
    const ranker = await rig.ranker();
    const error = await refused(ranker.lookup(bags, { signal: AbortSignal.abort('no') }));
    expect(error).toMatchObject({ code: 'CANCELLED', cause: 'no' });
    expectBits(bits(await ranker.lookup(bags)), usual);
  });

  test('ends a lookup at its deadline, and works after that', async () => {
    const ranker = await rig.ranker();
    const [gate] = rig.gates;
    gate.close();
    const began = performance.now();
    const error = await refused(ranker.lookup(bags, { deadline: 50 }));
    expect(error.code).toBe('DEADLINE_EXCEEDED');
    expect(performance.now() - began).toBeGreaterThanOrEqual(49);
    expect(performance.now() - began).toBeLessThan(2_000);
    gate.open();
    expectBits(bits(await ranker.lookup(bags)), usual);
  });
}

/** Nodes that fail or refuse. */
function failures(of: Contender): void {
  const bags = someBags(11, 40);

  test('retries if a node is overloaded, and gives up if it stays overloaded', async () => {
    await using rig = await Rig.start(of, 2);
    const ranker = await rig.ranker();
    const usual = bits(await ranker.lookup(bags));
    const { subrequests } = ranker.stats;
    const overloaded = { code: 'OVERLOADED', retryAfterMs: 1 } as const;
    rig.gates[1].refusals = [overloaded, overloaded];
    expectBits(bits(await ranker.lookup(bags)), usual);
    expect(rig.gates[1].refusals).toEqual([]);
    rig.gates[1].refusals = Array.from({ length: 9 }, () => overloaded);
    expect(await refused(ranker.lookup(bags))).toMatchObject({ code: 'OVERLOADED', node: 'n1' });
    // Retries do not count as subrequests.
    expect(ranker.stats.subrequests).toBe(3 * subrequests);
  });

  test('waits for a node that is starting or draining, but not for long', async () => {
    await using rig = await Rig.start(of, 2);
    const ranker = await rig.ranker();
    const usual = bits(await ranker.lookup(bags));
    const fresh = await rig.ranker();
    // RDMA can read rows without the node, but the node must find ids.
    const gate = rig.gateOf('ids');
    const [{ node }] = rig.shardsOf('ids');
    gate.ready = false;
    for (const asking of [ranker, fresh])
      expect(await refused(asking.lookup(bags))).toMatchObject({ code: 'UNAVAILABLE', node });
    gate.ready = true;
    for (const asking of [ranker, fresh]) expectBits(bits(await asking.lookup(bags)), usual);
  });

  test('names the node that is down and its shards, and finds it again', async () => {
    await using rig = await Rig.start(of, 3, 'row');
    const ranker = await rig.ranker();
    const usual = bits(await ranker.lookup(bags));
    await rig.cluster.nodes[1].close();
    const error = await refused(ranker.lookup(bags));
    expect(error).toMatchObject({ code: 'UNAVAILABLE', node: 'n1', shard: 1 });
    expect(error.message).toContain('memory node n1, asked for shards 1, 4, 7, 10, 13:');
    expect(error.message).toContain(rig.cluster.nodes[1].url);
    await rig.cluster.nodes[1].reopen?.();
    expectBits(bits(await ranker.lookup(bags)), usual);
  });

  test('gives the results of the other nodes if partial results are allowed, and marks incomplete bags', async () => {
    await using rig = await Rig.start(of, 3, 'row');
    const ranker = await rig.ranker();
    const { ids: _, rows, ...pooled } = bags;
    const there = await ranker.lookup(withoutNode(rig, pooled, 'n1'));
    await rig.cluster.nodes[1].close();
    const partial = await ranker.lookup({ ...pooled, rows }, { onFailure: 'partial' });
    expect(partial.failures).toMatchObject([{ code: 'UNAVAILABLE', node: 'n1', shard: 1 }]);
    for (const [name, { values, counts }] of there) {
      const got = partial.get(name);
      expect(new Uint32Array(got?.values.slice().buffer ?? [])).toEqual(
        new Uint32Array(values.slice().buffer),
      );
      expect(got?.counts).toEqual(counts);
      const gone = keysOn(rig, name, pooled[name].keys, 'n1');
      expect(got?.incomplete).toEqual(bagsWith(pooled[name].lengths as Uint32Array, gone));
      expect(got?.incomplete.length).toBeGreaterThan(5);
    }
    // Each key of mode `none` is a bag of its own.
    const gone = keysOn(rig, 'rows', rows.keys, 'n1').flatMap((is, i) => (is ? [i] : []));
    const { incomplete, counts, values } = partial.get('rows') ?? {};
    expect(incomplete).toEqual(Uint32Array.from(gone));
    expect([...(counts ?? [])].flatMap((count, i) => (count === 0 ? [i] : []))).toEqual(gone);
    expect(gone.every((i) => values?.subarray(i * 64, i * 64 + 64).every((x) => x === 0))).toBe(true);
  });

  // Only for transports with sockets, whose nodes can disconnect.
  if (of.sockets) {
    test('fails the lookups in flight when a node disconnects', async () => {
      await using rig = await Rig.start(of, 2);
      const ranker = await rig.ranker();
      const usual = bits(await ranker.lookup(bags));
      rig.gates[1].close();
      const lookups = [1, 2, 3].map(() => refused(ranker.lookup(bags)));
      await rig.gates[1].holds(3);
      await rig.cluster.nodes[1].close();
      for (const error of await Promise.all(lookups))
        expect(error).toMatchObject({ code: 'UNAVAILABLE', node: 'n1' });
      rig.gates[1].held = [];
      rig.gates[1].open();
      await rig.cluster.nodes[1].reopen?.();
      expectBits(bits(await ranker.lookup(bags)), usual);
    });
  }
}

/** For each key of a row-keyed table, whether this node holds its row. */
function keysOn(rig: Rig, table: string, keys: Bags['keys'], node: string): boolean[] {
  const own = rig.shardsOf(table).filter((shard) => shard.node === node);
  return Array.from(keys as Uint32Array, (key) => own.some(({ begin, end }) => key >= begin && key < end));
}

/** The bags without the keys that this node holds. */
function withoutNode(rig: Rig, bags: KeyedBags, node: string): Record<string, Bags> {
  const kept = Object.entries(bags).map(([name, { keys, lengths, weights }]): [string, Bags] => {
    const gone = keysOn(rig, name, keys, node);
    const left = (_: unknown, i: number): boolean => !gone[i];
    const bounds = boundsOf(lengths as Uint32Array);
    return [
      name,
      {
        keys: Array.from(keys as Uint32Array).filter(left),
        weights: weights && Array.from(weights as Float32Array).filter(left),
        lengths: bounds.map(([begin, end]) => gone.slice(begin, end).filter((is) => !is).length),
      },
    ];
  });
  return Object.fromEntries(kept);
}

/** The numbers of the bags with a marked key. */
function bagsWith(lengths: Uint32Array, marked: readonly boolean[]): Uint32Array {
  const bags = boundsOf(lengths).flatMap(([begin, end], bag) =>
    marked.slice(begin, end).some(Boolean) ? [bag] : [],
  );
  return Uint32Array.from(bags);
}

function boundsOf(lengths: Uint32Array): [begin: number, end: number][] {
  let end = 0;
  return Array.from(lengths, (length) => {
    end += length;
    return [end - length, end];
  });
}
