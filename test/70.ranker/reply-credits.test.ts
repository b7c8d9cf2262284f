// Lookups whose replies do not all have room at once: the same bits, never more bytes under way than the budget says, and at the
// end nothing is under way.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FlexemrError, type KeyedBags } from '../../src/index.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import type { Exchange, Outgoing, Received, Session, Transport } from '../../src/transport/transport.ts';
import { randomOf } from '../10.kernel/pool-case.ts';
import { contenders } from '../60.transport/contenders.ts';
import { tables } from '../60.transport/rig.ts';
import { bits } from '../bits.ts';
import { Cluster } from '../cluster.ts';

const replyBytes = 65_536;
const nodes = 3;
let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ tables, nodes, split: 'row' });
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

/** Bags of `rows`, whose replies are as long as asked for. */
function bagsOf(seed: number, keys: number): KeyedBags {
  const random = randomOf(seed);
  const drawn = Uint32Array.from({ length: keys }, () => Math.floor(random() * 6_000));
  return {
    rows: { keys: drawn, offsets: [0] },
    sum: { keys: drawn.subarray(0, 20).map((key) => key % 500), offsets: [0, 3] },
  };
}

/** Counts the bytes of replies that nodes may send, from their grant until they have arrived, or take no memory any more. */
class Counting implements Transport {
  readonly name = 'counting';
  readonly #inner: Transport;
  underWay = 0;
  most = 0;
  held = 0;

  constructor(inner: Transport) {
    this.#inner = inner;
  }

  session(url: string): Session {
    const inner = this.#inner.session(url);
    const session: Session = {
      send: (outgoing, held = false) => this.#send(inner, outgoing, held),
      close: () => inner.close(),
      ...(inner.replyBound && {
        replyBound: (outgoing: Outgoing) => inner.replyBound?.(outgoing) ?? 'reserve',
      }),
    };
    return session;
  }

  #send(inner: Session, outgoing: Outgoing, held: boolean): Exchange {
    // A reply as long as all of its keys being exceptions does not occur: no key of these lookups lacks its row.
    const bytes = outgoing.replyBytes;
    let taken = 0;
    const take = (): void => {
      taken = bytes;
      this.underWay += bytes;
      this.most = Math.max(this.most, this.underWay);
    };
    const give = (): void => {
      this.underWay -= taken;
      taken = 0;
    };
    if (held) this.held++;
    else take();
    const exchange = inner.send(outgoing, held);
    let late = false;
    const settled = (): void => {
      if (!late) give();
    };
    const reply = exchange.reply.then(
      (received: Received) => {
        settled();
        return received;
      },
      (error: unknown) => {
        settled();
        throw error;
      },
    );
    return {
      reply,
      dropsReply: exchange.dropsReply ?? false,
      grant: () => {
        take();
        exchange.grant?.();
      },
      cancel: async () => {
        late = true;
        const done = exchange.cancel();
        if (exchange.dropsReply) give();
        await done;
        give();
      },
    };
  }

  describe(url: string): ReturnType<Transport['describe']> {
    return this.#inner.describe(url);
  }

  traffic(): ReturnType<Transport['traffic']> {
    return this.#inner.traffic();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

const plans = fc.array(
  fc.record({
    seed: fc.nat({ max: 20 }),
    keys: fc.constantFrom(5, 60, 150, 400),
    // Turns of the event loop before it is cancelled.
    cancel: fc.option(fc.nat({ max: 12 }), { freq: 3 }),
  }),
  { minLength: 5, maxLength: 25 },
);

async function isIdle(ranker: Ranker): Promise<void> {
  // What was cancelled ends after its lookup.
  while (ranker.stats.replyBytesUnderWay > 0) await new Promise((turn) => setTimeout(turn, 1));
}

const plain = contenders.filter(({ server }) => server.token === undefined && server.cert === undefined);

describe.for(plain)('$name', (contender) => {
  test('any lookups at once have the same bits, within the budget, and all of it comes back', async () => {
    await using roomy = await cluster.ranker({ transport: 'stream' });
    const counting = new Counting(await contender.open(cluster, {}));
    await using ranker = await cluster.ranker({ transport: counting, replyBytes, pushDown: 'always' });
    await fc.assert(
      fc.asyncProperty(plans, async (all) => {
        await Promise.all(
          all.map(async ({ seed, keys, cancel }) => {
            const bags = bagsOf(seed, keys);
            const abort = new AbortController();
            const lookup = ranker.lookup(bags, { signal: abort.signal, deadline: 30_000 });
            lookup.catch(() => {});
            for (let turns = cancel ?? 0; turns > 0; turns--) await new Promise((turn) => setImmediate(turn));
            if (cancel !== null) abort.abort();
            const found = await lookup.catch((error: unknown) => error);
            if (cancel !== null && found instanceof FlexemrError) return expect(found.code).toBe('CANCELLED');
            if (found instanceof Error) throw found;
            expect(bits(found as Awaited<typeof lookup>)).toEqual(bits(await roomy.lookup(bags)));
          }),
        );
        expect(ranker.stats.replyBytesUnderWay).toBeLessThanOrEqual(replyBytes);
        await isIdle(ranker);
        expect(counting.underWay).toBe(0);
      }),
      { numRuns: 12 },
    );
    expect(counting.most).toBeLessThanOrEqual(replyBytes);
    expect(counting.most).toBeGreaterThan(replyBytes / 2);
    expect(ranker.stats.repliesHeld).toBeGreaterThan(20);
    expect(counting.held > 0).toBe(contender.name === 'stream');
  });
});

test('a lookup that waits for a credit ends at its deadline, and those behind it go on', async () => {
  await using ranker = await cluster.ranker({ transport: 'stream', replyBytes, pushDown: 'always' });
  await ranker.lookup(bagsOf(1, 400));
  const all = Array.from({ length: 60 }, (_, i) =>
    ranker.lookup(bagsOf(i, 400), { deadline: i % 3 === 0 ? 1 : 30_000 }).then(
      () => 'answered',
      (error: FlexemrError) => error.code,
    ),
  );
  const ends = await Promise.all(all);
  expect(ends.filter((_, i) => i % 3 > 0)).toEqual(Array(40).fill('answered'));
  expect(ends).toContain('DEADLINE_EXCEEDED');
  await isIdle(ranker);
});

test('a ranker that is closed while replies wait ends its lookups', async () => {
  const ranker = await cluster.ranker({ transport: 'stream', replyBytes, pushDown: 'always' });
  const all = Array.from({ length: 40 }, (_, i) => ranker.lookup(bagsOf(i, 400)).catch(({ code }) => code));
  await ranker.close();
  expect(new Set(await Promise.all(all))).toEqual(new Set(['RELEASED']));
});
