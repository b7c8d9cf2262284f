// Large replies are sent in pieces. Each reply is complete, and others do not wait for it.
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { replyPieceBytesMax } from '../../src/limits.ts';
import { random } from '../../src/simulation/random.ts';
import { HttpTransport } from '../../src/transport/http.ts';
import { StreamTransport } from '../../src/transport/stream.ts';
import { frameType } from '../../src/wire/media-type.ts';
import { lookupFrame, replyOf, timeless } from '../50.memory-node/lookups.ts';
import { endOfHeaders, RawPeer } from '../50.memory-node/raw-peer.ts';
import { Gate } from '../60.transport/gate.ts';
import { Cluster } from '../cluster.ts';
import { runs } from '../runs.ts';
import { checkPooled } from './check-pooled.ts';

const dim = 256;
const rows = 2_000;
const next = random(3);
const spec = { name: 't', rows, dim, mode: 'none' } as const;
const tables = [{ spec, rows: new Float32Array(rows * dim).map(() => next() / 2 ** 32) }];
/** Rows in a piece; draws replies that are about a whole number of pieces long, and others. */
const piece = replyPieceBytesMax / (dim * 4 + 4);
const keyCount = fc.oneof(
  fc.integer({ min: 1, max: 20 }),
  fc
    .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: -2, max: 2 }))
    .map(([n, more]) => Math.round(n * piece) + more),
  fc.integer({ min: 1, max: 8_000 }),
);

test.for([
  ['one stream', () => new StreamTransport(new HttpTransport(), {}, () => 'small')],
  ['pipelined HTTP', () => new HttpTransport()],
] as const)('replies of any size are complete, by %s', async ([, open]) => {
  await using cluster = await Cluster.start({ tables, nodes: 1, workers: 1 });
  await using local = await cluster.tables();
  await using ranker = await cluster.ranker({ transport: open(), pushDown: 'always' });
  const many = fc.array(keyCount, { minLength: 1, maxLength: 12 });
  const property = fc.asyncProperty(many, fc.nat(rows), async (counts, first) => {
    const asked = counts.map((count) => {
      return {
        t: { keys: Uint32Array.from({ length: count }, (_, i) => (first + i * 7) % rows), offsets: [0] },
      };
    });
    const got = await Promise.all(asked.map((bags) => ranker.lookup(bags, { deadline: 60_000 })));
    for (const [i, lookup] of got.entries()) {
      const wanted = (await local.lookup(asked[i])).get('t');
      if (wanted === undefined) throw new Error('no reply to compare with');
      checkPooled(`lookup ${i} of ${counts}`, lookup.get('t'), wanted);
      lookup[Symbol.dispose]();
    }
  });
  await fc.assert(property, { numRuns: runs.replyMixtures });
  expect(ranker.stats.bytesIn).toBeGreaterThan(replyPieceBytesMax);
});

describe.for(['stream', 'http'] as const)('a large reply by %s', (way) => {
  let cluster: Cluster;
  let gate: Gate;
  let port: number;
  beforeAll(async () => {
    const wrap = (...[handler]: ConstructorParameters<typeof Gate>): Gate => {
      gate = new Gate(handler);
      return gate;
    };
    cluster = await Cluster.start({ tables, nodes: 1, wrap });
    port = Number(new URL(cluster.nodes[0].url).port);
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  const frameOf = (keys: number): Uint8Array => lookupFrame(cluster.routing, 't', new Array(keys).fill(1));

  /** Opens a peer that requests `keys` rows, and waits until the gate holds its request. */
  async function asking(keys: number, more: { readonly reads?: boolean } = {}): Promise<RawPeer> {
    const before = gate.held.length;
    const peer = way === 'http' ? new RawPeer(port, more) : await RawPeer.stream(port, more);
    const frame = frameOf(keys);
    if (way === 'http')
      peer.send(
        `POST /v1/lookup HTTP/1.1\r\nHost: n\r\nContent-Type: ${frameType}\r\nContent-Length: ${frame.length}\r\n\r\n`,
      );
    peer.send(frame);
    await gate.holds(before + 1);
    return peer;
  }

  test('lets a small reply overtake it', async () => {
    gate.close();
    const peers = [await asking(1_000), await asking(1)];
    const [large, small] = gate.held.splice(0);
    gate.open();
    large.pass();
    small.pass();
    while (!small.released) await turn();
    expect(large.released).toBe(false);
    for (const [i, keys] of [1_000, 1].entries()) {
      if (way === 'http') await peers[i].take(endOfHeaders);
      const wanted = await replyOf([...cluster.handlers.values()][0], frameOf(keys));
      expect(Buffer.compare(timeless(await peers[i].reply()), timeless(wanted))).toBe(0);
      peers[i].close();
    }
    expect(large.released).toBe(true);
  });

  test('keeps its memory until its peer disconnects, if the peer does not read', async () => {
    gate.close();
    // 32 MB is more than the system buffers for a peer that does not read.
    const peer = await asking(32_000, { reads: false });
    const [held] = gate.held.splice(0);
    held.pass();
    for (let turns = 0; turns < 1_000; turns++) await turn();
    expect(held.released).toBe(false);
    peer.close();
    while (!held.released) await turn();
  });
});
