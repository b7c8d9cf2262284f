// The time of a request is linear in its bytes, and is divided into slices: short requests are answered in between.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MemoryNodeHost } from '../../src/host/memory-node-host.ts';
import { jsonBagsMax, jsonFeaturesMax } from '../../src/limits.ts';
import { frameType } from '../../src/wire/media-type.ts';
import { Cluster } from '../cluster.ts';
import { lookupFrame } from './lookups.ts';
import { RawPeer } from './raw-peer.ts';
import { ids, wholeNumbers } from './whole-numbers.ts';

let cluster: Cluster;
let node: MemoryNodeHost;
beforeAll(async () => {
  cluster = await Cluster.start({ tables: wholeNumbers, nodes: 1, ports: false });
  node = await MemoryNodeHost.start({ tables: cluster.file, routing: cluster.routing, node: 'n0' });
});
afterAll(async () => {
  await node?.close();
  await cluster?.[Symbol.asyncDispose]();
});

type Body = { bags: Record<string, object> };

async function post(body: Body): Promise<{ status: number; text: string }> {
  const response = await fetch(`${node.url}/v1/lookup`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, text: await response.text() };
}

const manyFeatures = (count: number, keys: unknown[] = [1]): Body => ({
  bags: Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`feature ${i}`, { table: 'sum', keys, lengths: [keys.length] }]),
  ),
});
/** A lookup in which every key is an exception. */
const manyExceptions = (count: number): Body => ({
  bags: Object.fromEntries(
    Array.from({ length: count >> 3 }, (_, i) => [
      `feature ${i}`,
      { table: 'none', keys: [40, 41, 42, 43, 44, 45, 46, 47], lengths: [8] },
    ]),
  ),
});
const idsAsText = (count: number): Body => ({
  bags: {
    idSum: { keys: Array.from({ length: count }, (_, i) => String(ids[i % ids.length])), lengths: [count] },
  },
});
const emptyBags = (count: number): Body => ({
  bags: { sum: { keys: [], lengths: new Array(count).fill(0) } },
});

/** Kinds of requests, each with the smallest of three sizes, each twice the one before. */
const kinds: Record<string, { body: (size: number) => Body; size: number; onMissing?: string }> = {
  features: { body: manyFeatures, size: 2_000 },
  exceptions: { body: (size) => ({ ...manyExceptions(size), onMissing: 'skip' }) as Body, size: 4_000 },
  'ids as text': { body: idsAsText, size: 20_000 },
  'bags without keys': { body: emptyBags, size: 10_000 },
};

describe.for(Object.entries(kinds))('%s', ([, { body, size }]) => {
  test('twice the size takes about twice the time', async () => {
    const times = new Map<number, number>();
    const at = (factor: number): number => times.get(factor) ?? Number.POSITIVE_INFINITY;
    const measure = async (factor: number): Promise<void> => {
      const asked = body(size * factor);
      const began = performance.now();
      const { status, text } = await post(asked);
      const ms = performance.now() - began;
      expect([status, status === 200 ? '' : text]).toEqual([200, '']);
      times.set(factor, Math.min(at(factor), ms));
    };
    await measure(1);
    // If one step were quadratic, four times the size would take 16 times as long, in every round. Other work on the
    // machine can only delay some rounds.
    const isLinear = (): boolean => at(4) / at(1) < 9;
    for (let round = 0; round < 3 || (round < 12 && !isLinear()); round++)
      for (const factor of [1, 2, 4]) await measure(factor);
    expect(at(4) / at(1)).toBeLessThan(9);
  });
});

/** Sends small lookups, one after the other, until `work` ends. @returns how many were answered */
async function meanwhile(work: Promise<unknown>): Promise<number> {
  const peer = await RawPeer.stream(node.ports[0]);
  const frame = lookupFrame(cluster.routing, 'sum', [1, 2]);
  let ended = false;
  let answered = 0;
  const end = work.then(() => {
    ended = true;
  });
  while (!ended) {
    await peer.ask(frame);
    await post({ bags: { sum: { keys: [1], lengths: [1] } } });
    answered++;
  }
  await end;
  return answered;
}

const megabytes: Record<string, () => Body> = {
  'twenty thousand features': () => manyFeatures(20_000),
  'seven megabytes of ids as text': () => idsAsText(320_000),
  'a million keys': () => ({
    bags: { sum: { keys: Array.from({ length: 1_000_000 }, (_, i) => i % 40), lengths: [1_000_000] } },
  }),
};

test.for(Object.entries(megabytes))(
  'small lookups are answered during a large lookup of %s',
  async ([, body]) => {
    const asked = body();
    let [ms, answered] = [0, 0];
    // No part of the large lookup delays them for more than a tenth of its time. Other work on the machine can spoil some rounds.
    for (let round = 0; round < 12 && answered < 8; round++) {
      const began = performance.now();
      const large = post(asked);
      answered = await meanwhile(large);
      ms = performance.now() - began;
      expect((await large).status).toBe(200);
    }
    expect([ms, answered]).toEqual([ms, expect.toSatisfy((count: number) => count >= 8)]);
  },
);

test('small frames are answered during the answer to a frame of empty bags', async () => {
  const bags = 1_000_000;
  const large = lookupFrame(cluster.routing, 'sum', [], { lengths: new Array(bags).fill(0) });
  const [one, other] = await Promise.all([RawPeer.stream(node.ports[0]), RawPeer.stream(node.ports[0])]);
  const small = lookupFrame(cluster.routing, 'sum', [1]);
  await other.ask(small);
  let done = false;
  const whole = fetch(`${node.url}/v1/lookup`, {
    method: 'POST',
    headers: { 'content-type': frameType },
    body: large,
  }).then(async (response) => {
    await response.arrayBuffer();
    done = true;
    return response.status;
  });
  let answered = 0;
  for (; !done; answered++) await other.ask(small);
  expect(await whole).toBe(200);
  expect(answered).toBeGreaterThan(10);
  one.socket.destroy();
  other.socket.destroy();
});

test.for([
  ['features', () => manyFeatures(jsonFeaturesMax + 1)],
  ['bags', () => emptyBags(jsonBagsMax + 1)],
] as const)('too many %s are refused', async ([what, body]) => {
  const { status, text } = await post(body());
  expect(status).toBe(413);
  expect(JSON.parse(text).error).toMatchObject({
    code: 'LIMIT_EXCEEDED',
    field: 'bags',
    message: expect.stringContaining(what),
  });
});

test('a long answer does not leak listeners', async () => {
  await using own = await Cluster.start({ tables: wholeNumbers, nodes: 1 });
  const warned: string[] = [];
  const note = ({ message }: Error): unknown => warned.push(message);
  process.on('warning', note);
  try {
    const response = await fetch(`${own.nodes[0].url}/v1/lookup`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(manyFeatures(20_000)),
    });
    expect(response.status).toBe(200);
    expect(Object.keys((await response.json()).features)).toHaveLength(20_000);
    expect(warned.filter((message) => message.includes('listeners'))).toEqual([]);
  } finally {
    process.off('warning', note);
  }
});
