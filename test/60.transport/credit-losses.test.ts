// What becomes of lookups whose replies wait for credits, if the credits do not arrive, or the worker does not care for them.
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { FlexemrError, KeyedBags } from '../../src/index.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { CREDIT_BYTES, SUBREQUEST_REPLY_CREDITS } from '../../src/wire/layout.ts';
import { wholeNumbers } from '../50.memory-node/whole-numbers.ts';
import { bits } from '../bits.ts';
import { Cluster } from '../cluster.ts';

const isForCredits = /^flexemr-credits: [0-9a-f]{32}\r$/im;
const endOfHead = '\r\n\r\n';

/** A port in front of a node, which sees each connection from its first bytes on. */
class FrontPort implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Connections that carry credits. */
  credits = 0;

  /** @param pass gives the bytes to pass on to the node; @param credits number of the connection that carries credits, or 0 */
  constructor(port: number, pass: (bytes: Buffer, credits: number, end: () => void) => Buffer) {
    this.#server = createServer((client) => {
      const node = connect(port, '127.0.0.1');
      let number: number | undefined;
      const end = (): void => {
        client.destroy();
        node.destroy();
      };
      for (const socket of [client, node]) {
        this.#sockets.add(socket);
        socket.on('error', () => {}).on('close', end);
      }
      client.on('data', (bytes: Buffer) => {
        number ??= isForCredits.test(bytes.toString('latin1')) ? ++this.credits : 0;
        node.write(pass(bytes, number, end));
      });
      node.pipe(client);
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((listening) => this.#server.listen(0, '127.0.0.1', listening));
    return `http://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((closed) => this.#server.close(closed));
  }
}

let cluster: Cluster;
beforeEach(async () => {
  cluster = await Cluster.start({ tables: wholeNumbers, nodes: 1 });
});
afterEach(() => cluster?.[Symbol.asyncDispose]());

const port = (): number => Number(new URL(cluster.nodes[0].url).port);

async function rankerAt(url: string): Promise<Ranker> {
  const routing = { ...cluster.routing, nodes: [{ ...cluster.routing.nodes[0], url }] };
  const how = { transport: 'stream', checksums: false, pushDown: 'always', deduplicateBags: false } as const;
  return await cluster.ranker({ routing, replyBytes: 65_536, ...how });
}

/** Its reply is a large part of the budget. */
const bags: KeyedBags = {
  sum: {
    keys: Uint32Array.from({ length: 1_500 }, (_, i) => i % 40),
    offsets: Uint32Array.from({ length: 1_500 }, (_, i) => i),
  },
};

/** Lookups at once. @returns how they end: as `bits`, or with a code */
async function endsOf(ranker: Ranker, count: number): Promise<string[]> {
  const wanted = bits(await ranker.lookup(bags));
  const ends = await Promise.all(
    Array.from({ length: count }, () =>
      ranker.lookup(bags).then(
        (found) => {
          expect(bits(found)).toEqual(wanted);
          return 'answered';
        },
        ({ code }: FlexemrError) => code,
      ),
    ),
  );
  while (ranker.stats.replyBytesUnderWay > 0) await new Promise((turn) => setTimeout(turn, 1));
  return ends;
}

/** The part of the bytes that belongs to the request for the Upgrade. */
function headOf(bytes: Buffer): Buffer {
  const end = bytes.indexOf(endOfHead);
  return end < 0 ? bytes.subarray(0, 0) : bytes.subarray(0, end + endOfHead.length);
}

test('credits that a lost connection has not brought are sent again over the next one', async () => {
  let lost = 0;
  await using proxy = new FrontPort(port(), (bytes, credits, end) => {
    if (credits !== 1) return bytes;
    const head = headOf(bytes);
    lost += (bytes.length - head.length) / CREDIT_BYTES;
    if (lost > 0) setImmediate(end);
    return head;
  });
  await using ranker = await rankerAt(await proxy.listen());
  expect(await endsOf(ranker, 30)).toEqual(Array(30).fill('answered'));
  expect(lost).toBeGreaterThan(0);
  expect(proxy.credits).toBe(2);
});

test('if no credits arrive, the stream ends, and its subrequests are sent again', async () => {
  await using proxy = new FrontPort(port(), (bytes, credits, end) => {
    if (credits === 0) return bytes;
    end();
    return bytes.subarray(0, 0);
  });
  await using ranker = await rankerAt(await proxy.listen());
  const ends = await endsOf(ranker, 30);
  expect(ranker.stats.retries).toBeGreaterThan(0);
  for (const end of ends) expect(['answered', 'UNAVAILABLE']).toContain(end);
  // One lookup at a time needs no credits.
  expect(await endsOf(ranker, 1)).toEqual(['answered']);
});

test('a node that knows no credits gets only what there is memory for', async () => {
  // As an older node: it does not see that the ranker asks for credits.
  await using proxy = new FrontPort(port(), (bytes) => {
    const at = bytes.indexOf('flexemr-credits: ask');
    if (at >= 0) bytes.write('x', at);
    return bytes;
  });
  await using ranker = await rankerAt(await proxy.listen());
  expect(await endsOf(ranker, 30)).toEqual(Array(30).fill('answered'));
  expect(proxy.credits).toBe(0);
  expect(ranker.stats.repliesHeld).toBeGreaterThan(0);
});

test('a worker that sends a long reply before it is granted is cut off', async () => {
  let changed = 0;
  await using proxy = new FrontPort(port(), (bytes) => {
    for (let at = bytes.indexOf('FXQ1'); at >= 0; at = bytes.indexOf('FXQ1', at + 4)) {
      if (bytes.readUInt32LE(at + SUBREQUEST_REPLY_CREDITS) !== 0) continue;
      bytes.writeUInt32LE(1, at + SUBREQUEST_REPLY_CREDITS);
      changed++;
    }
    return bytes;
  });
  await using ranker = await rankerAt(await proxy.listen());
  const ends = await endsOf(ranker, 30);
  expect(changed).toBeGreaterThan(0);
  expect(ranker.stats.retries).toBeGreaterThan(0);
  for (const end of ends) expect(['answered', 'UNAVAILABLE']).toContain(end);
});
