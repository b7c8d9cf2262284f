// A lookup that waits for anything ends at its deadline, when it is cancelled, and when its ranker is closed.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FlexemrError, type Lookup } from '../../src/index.ts';
import type { RoutingSource } from '../../src/plan/routing-source.ts';
import type { RoutingTable } from '../../src/plan/routing-table.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { wholeNumbers } from '../50.memory-node/whole-numbers.ts';
import { Gate } from '../60.transport/gate.ts';
import { Cluster } from '../cluster.ts';

let cluster: Cluster;
let gate: Gate;
beforeEach(async () => {
  const wrap = (node: ConstructorParameters<typeof Gate>[0]): Gate => {
    gate = new Gate(node);
    return gate;
  };
  cluster = await Cluster.start({ tables: wholeNumbers, nodes: 1, wrap });
});
afterEach(() => cluster?.[Symbol.asyncDispose]());

const [{ spec }] = wholeNumbers;
const bags = { [spec.name]: { keys: [1, 2, 3], offsets: [0, 2] } };

/** First gives the routing table of another plan, and then never answers. */
class StuckSource implements RoutingSource {
  reads = 0;
  #onChange: (routing: RoutingTable) => void = () => {};

  async read(): Promise<RoutingTable> {
    if (this.reads++ > 0) return await new Promise(() => {});
    const [table] = cluster.routing.tables;
    return { ...cluster.routing, tables: [{ ...table, version: 7 }, ...cluster.routing.tables.slice(1)] };
  }

  watch(onChange: (routing: RoutingTable) => void): () => void {
    this.#onChange = onChange;
    return () => {};
  }

  change(routing: RoutingTable): void {
    this.#onChange(routing);
  }
}

/** A node that never answers. */
const silence = { id: 'n0', url: 'http://127.0.0.1:9' } as const;

/** The causes of waiting. Each function makes a ranker whose next lookup waits for that cause. */
const waits: Record<string, () => Promise<{ ranker: Ranker; waiting: () => boolean }>> = {
  async reply() {
    const ranker = await cluster.ranker({ transport: 'stream' });
    gate.close();
    return { ranker, waiting: () => gate.held.length > 0 };
  },
  async 'a credit'() {
    const ranker = await cluster.ranker({ transport: 'stream' });
    gate.close();
    const others = Array.from({ length: 64 }, () => ranker.lookup(bags, { deadline: 60_000 }));
    for (const other of others) other.catch(() => {});
    await gate.holds(64);
    return { ranker, waiting: () => true };
  },
  async 'another try'() {
    const ranker = await cluster.ranker({ transport: 'stream' });
    gate.refusals = Array.from({ length: 50 }, () => ({ code: 'OVERLOADED', retryAfterMs: 900 }));
    return { ranker, waiting: () => gate.refusals.length < 50 };
  },
  async 'the routing table'() {
    const routing = new StuckSource();
    const ranker = await cluster.ranker({ transport: 'stream', routing });
    return { ranker, waiting: () => routing.reads > 1 };
  },
  async 'a node that it has not reached'() {
    const routing = new StuckSource();
    const ranker = await cluster
      .ranker({ transport: cluster.loopback(), routing: cluster.routing })
      .then(async (known) => {
        await known.close();
        const transport = cluster.loopback();
        transport.describe = async (url) => {
          if (url === silence.url) return await new Promise(() => {});
          return await cluster.loopback().describe(url);
        };
        return await cluster.ranker({ transport, routing });
      });
    routing.change({ ...cluster.routing, nodes: [silence] });
    return { ranker, waiting: () => true };
  },
};

/** @returns how a lookup ended, and after how many ms */
async function endOf(lookup: Promise<Lookup>): Promise<{ code: string; ms: number }> {
  const began = performance.now();
  const code = await lookup.then(
    () => 'answered',
    (error: unknown) => (error instanceof FlexemrError ? error.code : String(error)),
  );
  return { code, ms: performance.now() - began };
}

describe.for(Object.entries(waits))('a lookup that waits for %s', ([, open]) => {
  test('ends at its deadline', async () => {
    const { ranker } = await open();
    const { code, ms } = await endOf(ranker.lookup(bags, { deadline: 120 }));
    // A ranker does not begin a wait that would exceed the deadline, so the code can differ.
    expect(code).toMatch(/DEADLINE_EXCEEDED|OVERLOADED/);
    expect(ms).toBeLessThan(2_000);
    await ranker.close();
  });

  test('ends when it is cancelled', async () => {
    const { ranker, waiting } = await open();
    const abort = new AbortController();
    const end = endOf(ranker.lookup(bags, { deadline: 60_000, signal: abort.signal }));
    await expect.poll(waiting).toBe(true);
    abort.abort();
    expect(await end).toMatchObject({ code: 'CANCELLED' });
    await ranker.close();
  });

  test('ends with RELEASED when its ranker is closed', async () => {
    const { ranker, waiting } = await open();
    const end = endOf(ranker.lookup(bags, { deadline: 60_000, onFailure: 'partial' }));
    await expect.poll(waiting).toBe(true);
    await ranker.close();
    expect(await end).toMatchObject({ code: 'RELEASED' });
  });
});

test('the routing table is read once for all lookups that wait for it', async () => {
  const routing = new StuckSource();
  const ranker = await cluster.ranker({ transport: 'stream', routing });
  const ends = await Promise.all(
    Array.from({ length: 200 }, () => endOf(ranker.lookup(bags, { deadline: 500 }))),
  );
  expect(new Set(ends.map(({ code }) => code))).toEqual(new Set(['DEADLINE_EXCEEDED']));
  expect(routing.reads).toBe(2);
  await ranker.close();
});

test('ten thousand lookups leave no listeners on their common signal', async () => {
  await using ranker = await cluster.ranker({ transport: 'loopback' });
  const { signal } = new AbortController();
  let listening = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...all: Parameters<typeof addEventListener>) => {
    listening++;
    addEventListener.apply(signal, all);
  };
  signal.removeEventListener = (...all: Parameters<typeof removeEventListener>) => {
    listening--;
    removeEventListener.apply(signal, all);
  };
  for (let i = 0; i < 100; i++)
    await Promise.all(Array.from({ length: 100 }, () => ranker.lookup(bags, { signal })));
  expect(listening).toBe(0);
});

test('a reply that arrives after the deadline is refused, even if the timer is late', async () => {
  const loopback = cluster.loopback();
  const session = loopback.session.bind(loopback);
  let blockMs = 0;
  loopback.session = (url) => {
    const inner = session(url);
    const send: typeof inner.send = (outgoing) => {
      const exchange = inner.send(outgoing);
      const reply = exchange.reply.then((received) => {
        // Busy when the deadline passes: the timer can only run later.
        for (const since = performance.now(); performance.now() - since < blockMs; );
        return received;
      });
      return { ...exchange, reply };
    };
    return { ...inner, send, close: () => inner.close() };
  };
  await using ranker = await cluster.ranker({ transport: loopback });
  expect((await ranker.lookup(bags, { deadline: 20_000 })).get(spec.name)?.values.length).toBeGreaterThan(0);
  blockMs = 250;
  await expect(ranker.lookup(bags, { deadline: 200 })).rejects.toMatchObject({
    code: 'DEADLINE_EXCEEDED',
  });
});
