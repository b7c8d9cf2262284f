// Starting, serving, failing and closing of a memory node and its workers.
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MemoryNodeHost } from '../../src/host/memory-node-host.ts';
import type { MemoryNodeOptions } from '../../src/host/memory-node-options.ts';
import { openRanker } from '../../src/host/open-ranker.ts';
import { FlexemrError } from '../../src/index.ts';
import type { RoutingTable } from '../../src/plan/routing-table.ts';
import type { NodeDescription } from '../../src/wire/handler.ts';
import { frameType } from '../../src/wire/media-type.ts';
import { Reply } from '../../src/wire/reply.ts';
import { Cluster } from '../cluster.ts';
import { frameOf, lookupFrame, segmentOf } from './lookups.ts';
import { RawPeer, withId } from './raw-peer.ts';
import { ids, wholeNumbers } from './whole-numbers.ts';

let cluster: Cluster;
let routing: RoutingTable;
beforeAll(async () => {
  cluster = await Cluster.start({ tables: wholeNumbers, nodes: 1 });
  routing = cluster.routing;
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

const start = (more: Partial<MemoryNodeOptions> = {}): Promise<MemoryNodeHost> =>
  MemoryNodeHost.start({ tables: cluster.file, routing, node: 'n0', ...more });

async function refused(more: Partial<MemoryNodeOptions>): Promise<FlexemrError> {
  const error = await start(more).then(
    (node) => node.close(),
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(FlexemrError);
  return error as FlexemrError;
}

async function post(port: number, frame: Uint8Array<ArrayBuffer>): Promise<Reply> {
  const headers = { 'content-type': frameType };
  const response = await fetch(`http://127.0.0.1:${port}/v1/lookup`, {
    method: 'POST',
    headers,
    body: frame,
  });
  return new Reply(new Uint8Array(await response.arrayBuffer()));
}

async function describeAt(port: number): Promise<NodeDescription> {
  return (await (await fetch(`http://127.0.0.1:${port}/v1/tables`)).json()) as NodeDescription;
}

/** @returns the first of `count` free ports in a row, below the range from which systems choose ports */
async function freePorts(count = 1): Promise<number> {
  for (;;) {
    const first = 10_000 + Math.floor(Math.random() * 20_000);
    const taken = await Promise.all(Array.from({ length: count }, (_, i) => listens(first + i)));
    if (!taken.includes(true)) return first;
  }
}

/** Whether a process listens at the port. */
function listens(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host });
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

/** A lookup of `keys` keys; many keys take many slices. */
const long = (keys: number): Uint8Array<ArrayBuffer> =>
  lookupFrame(
    routing,
    'int8',
    Array.from({ length: keys }, (_, i) => i % 40),
  );

/** Sends the first half of a lookup to each worker, which then holds it. @returns functions that send the rest */
async function begun(node: MemoryNodeHost): Promise<(() => Promise<Reply>)[]> {
  const frame = long(400_000);
  const half = frame.length / 2;
  const peers = await Promise.all(node.ports.map((port) => RawPeer.stream(port)));
  for (const peer of peers) peer.send(frame.subarray(0, half));
  await expect.poll(async () => (await node.stats()).every(({ held }) => held === 1)).toBe(true);
  return peers.map((peer) => async () => new Reply(await peer.ask(frame.subarray(half))));
}

/** Waits until each worker has received `count` whole subrequests, answered or not. */
async function takenIn(node: MemoryNodeHost, count: number): Promise<void> {
  await expect
    .poll(async () => (await node.stats()).map(({ subrequests }) => subrequests))
    .toEqual(node.ports.map(() => count));
}

/** A slow lookup, because it finds many ids in an index. */
const slow = (): Uint8Array<ArrayBuffer> =>
  lookupFrame(
    routing,
    'idSum',
    Array.from({ length: 1_000_000 }, (_, i) => ids[i % 40]),
  );

describe.each([1, 3])('with %i workers', (workers) => {
  let node: MemoryNodeHost;
  beforeAll(async () => {
    node = await start({ workers });
  });
  afterAll(() => node?.close());

  test('lists a port for each worker, and each port describes all tables', async () => {
    expect(new Set(node.ports).size).toBe(workers);
    expect(node.url).toBe(`http://127.0.0.1:${node.ports[0]}`);
    const all = await Promise.all(node.ports.map(describeAt));
    // Each has its own time since it was asked.
    const timeless = all.map(({ releases = [], ...rest }) => ({
      ...rest,
      releases: releases.map(({ idleMs: _, ...release }) => release),
    }));
    for (const one of timeless) expect(one).toEqual(timeless[0]);
    expect(timeless[0].releases).toEqual([{ plan: all[0].plan, state: 'ready', contents: all[0].contents }]);
    expect(all[0].workers).toEqual(node.ports.map((port) => ({ port })));
    expect(all[0].tables.map(({ name }) => name)).toEqual(wholeNumbers.map(({ spec }) => spec.name));
  });

  test('each worker answers, and their statistics are correct', async () => {
    const before = await node.stats();
    const asked = node.ports.flatMap((port, i) =>
      Array.from({ length: 2 + i }, () => post(port, lookupFrame(routing, 'sum', [1, 2, 1]))),
    );
    const failing = node.ports.map((port) => post(port, lookupFrame(routing, 'sum', [40])));
    const [first, ...others] = await Promise.all(asked);
    expect(first.error).toBeUndefined();
    for (const other of others) expect(other.floats(64, 3)).toEqual(first.floats(64, 3));
    for (const { error } of await Promise.all(failing)) expect(error?.code).toBe('INVALID_KEY');
    const after = await node.stats();
    expect(after).toHaveLength(workers);
    after.forEach(({ subrequests, keys, errors, refused: none, busyUs, held }, i) => {
      expect(subrequests - before[i].subrequests).toBe(2 + i + 1);
      expect(keys - before[i].keys).toBe((2 + i) * 3 + 1);
      expect(errors - before[i].errors).toBe(1);
      expect(none).toBe(0);
      expect(busyUs).toBeGreaterThan(before[i].busyUs);
      expect(held).toBe(0);
    });
  });

  test('concurrent long lookups at all workers do not affect each other', async () => {
    const table = await cluster.tables();
    const keys = Array.from({ length: 100_000 }, (_, i) => (i * 7) % 40);
    const wanted = (await table.lookup({ int8: { keys, offsets: [0] } })).get('int8')?.values;
    await table.close();
    const frame = lookupFrame(routing, 'int8', keys);
    const replies = await Promise.all([...node.ports, ...node.ports].map((port) => post(port, frame)));
    for (const reply of replies) expect(reply.floats(64, 5)).toEqual(wanted);
  });
});

describe('a worker that dies', () => {
  test('is replaced at its port, lookups continue, and its own subrequests fail at once', async () => {
    const told: string[] = [];
    const tell = (_: object, message: string): number => told.push(message);
    const log = { debug: tell, info: tell, warn: tell, error: tell };
    await using node = await start({ workers: 3, log });
    const { ports } = node;
    await using ranker = await openRanker({ routing: { ...routing, nodes: [{ id: 'n0', url: node.url }] } });
    await using tables = await cluster.tables();
    const bags = { sum: { keys: [1, 2, 3, 4], lengths: [1, 3] }, mean: { keys: [9, 8], lengths: [2] } };
    const wanted = await tables.lookup(bags);
    let [going, done] = [true, 0];
    const asking = Array.from({ length: 8 }, async () => {
      for (; going; done++) {
        const pooled = await ranker.lookup(bags, { deadline: 60_000 });
        for (const name of wanted.keys()) expect(pooled.get(name)?.values).toEqual(wanted.get(name)?.values);
      }
    });
    const load = Promise.all(asking).finally(() => {
      going = false;
    });
    // The error is reported where `load` is awaited.
    load.catch(() => {});
    const held = slow();
    for (const worker of [1, 0, 2]) {
      const peer = await RawPeer.stream(ports[worker]);
      for (let id = 1; id <= 3; id++) peer.send(withId(held, id));
      // This frame stays unfinished, so the worker holds it when it dies.
      peer.send(held.subarray(0, held.length / 2));
      await peer.reply();
      const before = done;
      await node.killWorker(worker);
      await peer.closed;
      await expect.poll(() => listens(ports[worker])).toBe(true);
      await expect
        .poll(() => post(ports[worker], lookupFrame(routing, 'sum', [1])).then(({ error }) => error?.code))
        .toBe(undefined);
      // If a lookup fails, `load` reports the reason.
      await Promise.race([load, expect.poll(() => done).toBeGreaterThan(before + 20)]);
    }
    going = false;
    await load;
    expect(node.ports).toEqual(ports);
    expect(told.filter((message) => message.includes('died'))).toHaveLength(3);
    expect(told.filter((message) => message.includes('serves again'))).toHaveLength(3);
    expect(await node.stats()).toHaveLength(3);
  });

  test('and is the only one: lookups fail until it is replaced', async () => {
    await using node = await start();
    await using ranker = await openRanker({ routing: { ...routing, nodes: [{ id: 'n0', url: node.url }] } });
    const bags = { sum: { keys: [1], offsets: [0] } };
    await ranker.lookup(bags);
    await node.killWorker(0);
    // Statistics do not wait for the new worker.
    expect(await node.stats()).toMatchObject([{ subrequests: 0 }]);
    await expect
      .poll(() =>
        ranker.lookup(bags).then(
          () => 'answered',
          ({ code }: FlexemrError) => code,
        ),
      )
      .toBe('answered');
  });

  test('can die repeatedly, and while the node closes', async () => {
    const node = await start({ workers: 2 });
    for (let i = 0; i < 3; i++) {
      await Promise.all([node.killWorker(0), node.killWorker(1)]);
      await new Promise((waited) => setTimeout(waited, 60 * i));
    }
    const { ports } = node;
    await Promise.all([node.close(), node.killWorker(1).catch(() => {})]);
    for (const port of ports) expect(await listens(port)).toBe(false);
  });
});

describe('closing', () => {
  test('answers the subrequests that it holds, and then closes its ports', async () => {
    const node = await start({ workers: 2 });
    const { ports } = node;
    // These are unfinished, so the node holds them when it closes.
    const finish = await begun(node);
    const peers = await Promise.all(ports.map((port) => RawPeer.stream(port)));
    const [frame, count] = [long(400_000), 5];
    for (const peer of peers) for (let id = 1; id <= count; id++) peer.send(withId(frame, id));
    await takenIn(node, count);
    const closing = node.close();
    for (const peer of peers)
      for (let rest = count; rest > 0; rest--) expect(new Reply(await peer.reply()).error).toBeUndefined();
    for (const { error } of await Promise.all(finish.map((last) => last()))) expect(error).toBeUndefined();
    await Promise.all(peers.map(({ closed }) => closed));
    await closing;
    for (const port of ports) expect(await listens(port)).toBe(false);
    await node.close();
  });

  test('answers a request that is not complete yet', async () => {
    const node = await start();
    const peer = new RawPeer(node.ports[0]);
    const body = JSON.stringify({ bags: { int8: { keys: [1], lengths: [1] } } });
    peer.send(
      `POST /v1/lookup HTTP/1.1\r\nHost: n\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    peer.send(body.slice(0, 5));
    // When a later request has been answered, the request of `peer` has begun.
    await RawPeer.stream(node.ports[0]).then((later) => later.ask(lookupFrame(routing, 'sum', [1])));
    const closing = [node.close(), node.close()];
    await Promise.race([closing[1], new Promise((waited) => setTimeout(waited, 50))]);
    peer.send(body.slice(5));
    await peer.closed;
    expect(peer.received.toString('latin1')).toMatch(/^HTTP\/1\.1 503 .*UNAVAILABLE/s);
    await Promise.all(closing);
  });

  test('waits for a peer that still reads its answers', async () => {
    const node = await start();
    const peer = new RawPeer(node.ports[0]);
    peer.socket.pause();
    const keys = Array.from({ length: 50_000 }, (_, i) => i % 40);
    const body = JSON.stringify({ bags: { int8: { keys, lengths: keys.map(() => 1) } } });
    const head = `POST /v1/lookup HTTP/1.1\r\nHost: n\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
    // More bytes than the system buffers for a peer that does not read.
    const count = 3;
    for (let i = 0; i < count; i++) peer.send(head + body);
    await expect.poll(async () => (await node.stats())[0]).toMatchObject({ subrequests: count, held: 0 });
    const closing = node.close();
    await new Promise((waited) => setTimeout(waited, 200));
    peer.socket.resume();
    await peer.closed;
    const answers = peer.received.toString('latin1').split('HTTP/1.1 200 OK');
    expect(answers.slice(1).every((answer) => answer.endsWith('}}\n'))).toBe(true);
    expect(answers).toHaveLength(count + 1);
    await closing;
  });

  test('refuses new subrequests', async () => {
    const node = await start();
    const [finish] = await begun(node);
    const [peer, other] = await Promise.all([RawPeer.stream(node.ports[0]), RawPeer.stream(node.ports[0])]);
    const [frame, count] = [long(400_000), 5];
    for (let id = 1; id <= count; id++) peer.send(withId(frame, id));
    await takenIn(node, count);
    const closing = node.close();
    await expect
      .poll(async () => new Reply(await other.ask(lookupFrame(routing, 'sum', [1]))).error?.code)
      .toBe('UNAVAILABLE');
    for (let rest = count; rest > 0; rest--) expect(new Reply(await peer.reply()).error).toBeUndefined();
    expect((await finish()).error).toBeUndefined();
    await closing;
  });
});

describe('a common port', () => {
  test('reaches every worker, and each keeps its own port', async () => {
    const commonPort = await freePorts();
    await using node = await start({ workers: 3, commonPort });
    expect(node.ports).not.toContain(commonPort);
    const asked = Array.from({ length: 60 }, async () => {
      const peer = await RawPeer.stream(commonPort);
      const reply = new Reply(await peer.ask(lookupFrame(routing, 'sum', [1])));
      peer.close();
      return reply.error;
    });
    expect(await Promise.all(asked)).toEqual(new Array(60).fill(undefined));
    const counts = (await node.stats()).map(({ subrequests }) => subrequests);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(60);
    // The system distributes connections unevenly, but not all to one worker.
    expect(counts.filter((count) => count > 0).length).toBeGreaterThan(1);
  });
});

describe('starting', () => {
  test.each<[string, Partial<MemoryNodeOptions>, object]>([
    ['no workers', { workers: 0 }, { code: 'INVALID_OPTION', field: 'workers' }],
    ['half a worker', { workers: 1.5 }, { code: 'INVALID_OPTION', field: 'workers' }],
    ['too many workers', { workers: 65 }, { code: 'INVALID_OPTION', field: 'workers' }],
    ['no time', { stuckMs: 0 }, { code: 'INVALID_OPTION', field: 'stuckMs' }],
    ['too much time', { stuckMs: 10_001 }, { code: 'INVALID_OPTION', field: 'stuckMs' }],
    ['a negative port', { port: -1 }, { code: 'INVALID_OPTION', field: 'port' }],
    ['a public address', { host: '0.0.0.0' }, { code: 'INVALID_OPTION', field: 'host', value: '0.0.0.0' }],
    ['all public addresses', { host: '::' }, { code: 'INVALID_OPTION', field: 'host' }],
    [
      'TLS without a key',
      { security: { cert: 'certificate', token: 'token' } },
      { code: 'INVALID_OPTION', field: 'cert' },
    ],
    ['a key that is not a key', { security: { cert: 'c', key: 'k' } }, { code: 'INVALID_OPTION' }],
    ['an unknown node', { node: 'n1' }, { code: 'INVALID_ROUTING', field: 'node', value: 'n1' }],
    ['no file', { tables: '/nowhere/tables.safetensors' }, { code: 'INVALID_FILE' }],
  ])('with %s is refused', async (_, options, wanted) => {
    expect({ ...(await refused(options)) }).toMatchObject(wanted);
  });

  test('at a public address needs a token or the option insecure', async () => {
    for (const options of [{ insecure: true }, { security: { token: 'secret' } }]) {
      await using node = await start({ host: '0.0.0.0', ...options });
      expect(await listens(node.ports[0])).toBe(true);
    }
  });

  test('takes ports in a row, and fails if one is in use', async () => {
    await using first = await start();
    const [port] = first.ports;
    expect({ ...(await refused({ port })) }).toMatchObject({
      code: 'UNAVAILABLE',
      field: 'port',
      value: port,
    });
    const free = await freePorts(2);
    await using node = await start({ port: free, workers: 2 });
    expect(node.ports).toEqual([free, free + 1]);
  });

  test.each<[string, (table: RoutingTable['tables'][number]) => object]>([
    ['is not in the file', ({ spec }) => ({ spec: { ...spec, name: 'other' } })],
    [
      'has other rows',
      ({ spec }) => ({ spec: { ...spec, rows: 41 }, shards: [{ node: 'n0', begin: 0, end: 41 }] }),
    ],
    ['has another dim', ({ spec }) => ({ spec: { ...spec, dim: 4 } })],
    ['is indexed', () => ({ indexed: true, shards: [{ node: 'n0', begin: 0, end: 2 ** 32 }] })],
  ])('with a plan whose table %s is refused, and leaves no port open', async (_, change) => {
    const [table, ...others] = routing.tables;
    const planned = { ...routing, tables: [{ ...table, ...change(table) }, ...others] };
    const port = await freePorts();
    const error = await refused({ routing: planned, port });
    expect({ ...error }).toMatchObject({ code: 'INVALID_ROUTING', field: 'tables' });
    expect(await listens(port)).toBe(false);
  });

  test('without shards gives a node that has no tables', async () => {
    const nodes = [...routing.nodes, { id: 'idle' }];
    await using node = await start({ routing: { ...routing, nodes }, node: 'idle', workers: 2 });
    expect((await describeAt(node.ports[1])).tables).toEqual([]);
    const reply = await post(node.ports[0], lookupFrame(routing, 'sum', [1]));
    expect(reply.error).toMatchObject({ code: 'STALE_ROUTING', segment: 0 });
    expect((await post(node.ports[0], frameOf(routing, []))).error).toBeUndefined();
  });

  test('listens before its tables are loaded, and is ready after that', async () => {
    const port = await freePorts();
    const seen: number[] = [];
    const looking = (async () => {
      for (;;) {
        const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
        if (answer) seen.push(answer.status);
        if (answer?.status === 200) return;
      }
    })();
    await using node = await start({ port });
    await looking;
    expect(seen.at(-1)).toBe(200);
    expect(seen.every((status) => status === 200 || status === 503)).toBe(true);
    expect(node.ports).toEqual([port]);
  });
});

test('every worker finds the ids', async () => {
  await using node = await start({ workers: 2 });
  for (const port of node.ports) {
    const reply = await post(port, frameOf(routing, [segmentOf(routing, 'idNone', [...ids])]));
    expect(reply.floats(64, 120)).toEqual(wholeNumbers.find(({ spec }) => spec.name === 'idNone')?.rows);
  }
});
