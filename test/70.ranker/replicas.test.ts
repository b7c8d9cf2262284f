// Several nodes hold the same rows: lookups have the bits of the reference, whichever node answers, and go on without a lost one.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { retryReserve } from '../../src/limits.ts';
import { tableWise } from '../../src/plan/placement.ts';
import type { PlannedTable } from '../../src/plan/routing-table.ts';
import { hedgeReserve, hedgeShareMax } from '../../src/replica-limits.ts';
import { wholeNumbers } from '../50.memory-node/whole-numbers.ts';
import { Gate } from '../60.transport/gate.ts';
import { bits } from '../bits.ts';
import { Cluster } from '../cluster.ts';
import { runs } from '../runs.ts';
import { RankerInput, rankerCases } from './ranker-case.ts';

/** Pairs of nodes hold the same shards. */
function paired(tables: readonly PlannedTable[], nodes: readonly string[]): PlannedTable[] {
  return tables.map((table) => ({
    ...table,
    shards: table.shards.map((shard) => ({
      ...shard,
      replicas: [nodes[nodes.indexOf(shard.node) ^ 1]],
    })),
  }));
}

/** Nodes in this thread, with a gate in front of each. */
class Gates {
  readonly #gates = new Map<string, Gate>();
  readonly wrap = (node: ConstructorParameters<typeof Gate>[0], id: string): Gate => {
    const gate = new Gate(node);
    this.#gates.set(id, gate);
    return gate;
  };

  of(id: string): Gate {
    return this.#gates.get(id) as Gate;
  }
}

const faults = ['none', 'dead', 'unready', 'full', 'silent'] as const;

test('with any node of each pair lost, lookups have the bits of the reference', async () => {
  const seen = { none: 0, dead: 0, unready: 0, full: 0, silent: 0 };
  await fc.assert(
    fc.asyncProperty(
      rankerCases,
      fc.constantFrom(...faults),
      fc.array(fc.nat(1), { minLength: 4, maxLength: 4 }),
      async (of, fault, lost) => {
        const input = new RankerInput(of);
        const wanted = await input.expected();
        if ('field' in wanted) return;
        const nodes = 2 * Math.ceil(of.nodes / 2);
        const gates = new Gates();
        await using cluster = await Cluster.start({
          ...{ tables: [input.table], nodes, ports: false, wrap: gates.wrap },
          split: (tables, ids) => paired(input.split(tables, ids), ids),
        });
        const ids = lost.slice(0, nodes / 2).map((one, pair) => `n${2 * pair + one}`);
        const urls = new Set(
          cluster.routing.nodes.flatMap(({ id, url = '' }) => (ids.includes(id) ? [url] : [])),
        );
        const handlers = new Map([...cluster.handlers].filter(([url]) => fault !== 'dead' || !urls.has(url)));
        await using ranker = await cluster.ranker({ transport: cluster.loopback(handlers) });
        for (const id of fault === 'none' ? [] : ids) {
          const gate = gates.of(id);
          if (fault === 'unready') gate.ready = false;
          if (fault === 'full')
            gate.refusals = Array.from({ length: 100 }, () => ({ code: 'OVERLOADED', retryAfterMs: 900 }));
          if (fault === 'silent') gate.close();
        }
        for (let i = 0; i < 3; i++) {
          const lookup = await ranker.lookup(input.bags, { onMissing: of.onMissing });
          expect(bits(lookup)).toEqual(wanted);
        }
        const { hedged, subrequests } = ranker.stats;
        expect(hedged).toBeLessThanOrEqual(hedgeReserve + hedgeShareMax * subrequests);
        for (const id of ids) gates.of(id).open();
        seen[fault]++;
      },
    ),
    { numRuns: runs.rankerCases },
  );
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(runs.rankerCases / 30);
});

const [{ spec }] = wholeNumbers;
const bags = { [spec.name]: { keys: [1, 2, 3], offsets: [0, 2] } };

async function pair(): Promise<{ cluster: Cluster; gates: Gates }> {
  const gates = new Gates();
  const cluster = await Cluster.start({
    ...{ tables: wholeNumbers, nodes: 2, wrap: gates.wrap },
    split: (tables, ids) =>
      paired(
        tables.map((table) => ({ ...table, shards: tableWise(table, ids[0]) })),
        ids,
      ),
  });
  return { cluster, gates };
}

describe('one of two nodes', () => {
  test('is killed while many subrequests wait for it: all of them go to the other one, without a budget', async () => {
    const { cluster, gates } = await pair();
    await using _ = cluster;
    await using ranker = await cluster.ranker({ transport: 'stream', hedge: false });
    const expected = bits(await ranker.lookup(bags));
    gates.of('n0').close();
    const lookups = Array.from({ length: 4 * retryReserve }, () => ranker.lookup(bags, { deadline: 60_000 }));
    await gates.of('n0').holds(retryReserve + 1);
    await cluster.nodes[0].close();
    for (const lookup of await Promise.all(lookups)) expect(bits(lookup)).toEqual(expected);
    expect(ranker.stats.retries).toBeGreaterThan(retryReserve);
    expect(ranker.stats.hedged).toBe(0);
  });

  test('is not asked while it is dead, and is asked again when it is back', async () => {
    const { cluster } = await pair();
    await using _ = cluster;
    await using ranker = await cluster.ranker({ transport: 'stream' });
    await ranker.lookup(bags);
    await cluster.nodes[0].close();
    const failures: (string | undefined)[] = [];
    let answers: string[] = [];
    ranker.observe(({ node, code }) => {
      if (code === undefined) answers.push(node);
      else failures.push(node);
    });
    for (let i = 0; i < 200; i++) await ranker.lookup(bags);
    expect(answers.every((node) => node === 'n1')).toBe(true);
    // At most what was under way when it was lost.
    expect(failures.length).toBeLessThanOrEqual(2);
    await cluster.nodes[0].reopen?.();
    await expect
      .poll(async () => {
        answers = [];
        for (let i = 0; i < 20; i++) await ranker.lookup(bags);
        return answers.includes('n0');
      })
      .toBe(true);
  });

  test('is silent: a hedge is answered, and the first subrequest is cancelled, so that its credits come back once', async () => {
    const { cluster, gates } = await pair();
    await using _ = cluster;
    await using ranker = await cluster.ranker({ transport: 'stream' });
    const expected = bits(await ranker.lookup(bags));
    for (const id of ['n0', 'n1']) {
      gates.of(id).close();
      const before = ranker.stats.hedged;
      while (ranker.stats.hedged === before) expect(bits(await ranker.lookup(bags))).toEqual(expected);
      gates.of(id).open();
      await expect.poll(() => ranker.stats.replyBytesUnderWay).toBe(0);
      // It is asked again, once it is known to be there.
      await expect.poll(async () => bits(await ranker.lookup(bags))).toEqual(expected);
    }
    expect(ranker.stats.hedgesWon).toBe(ranker.stats.hedged);
  });

  test('is silent: without hedges, only the deadline ends what it was asked', async () => {
    const { cluster, gates } = await pair();
    await using _ = cluster;
    await using ranker = await cluster.ranker({ transport: 'loopback', hedge: false });
    for (const id of ['n0', 'n1']) gates.of(id).close();
    await expect(ranker.lookup(bags, { deadline: 300 })).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(ranker.stats).toMatchObject({ hedged: 0, hedgesWon: 0 });
  });

  test('is lost when a ranker opens: it opens with the other one, but not without both', async () => {
    const { cluster } = await pair();
    await using _ = cluster;
    await cluster.nodes[0].close();
    await using ranker = await cluster.ranker({ transport: 'stream' });
    expect(ranker.nodes.map(({ up }) => up)).toEqual([false, true]);
    await ranker.lookup(bags);
    await cluster.nodes[1].close();
    await expect(cluster.ranker({ transport: 'stream' })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  test('is refused if it holds other rows', async () => {
    const { cluster } = await pair();
    await using _ = cluster;
    const other = cluster.loopback();
    const transport = cluster.loopback();
    transport.describe = async (url) => {
      const described = await other.describe(url);
      return described.node === 'n0'
        ? { ...described, contents: { [spec.name]: '0'.repeat(32) } }
        : described;
    };
    await expect(cluster.ranker({ transport })).rejects.toMatchObject({ code: 'STALE_ROUTING' });
  });
});
