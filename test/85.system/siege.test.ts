// Two memory nodes under attack, while an honest ranker looks up.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { NodeProcess } from '../../src/host/node-process.ts';
import { openRanker, type RoutingTable } from '../../src/index.ts';
import * as limits from '../../src/limits.ts';
import { routingJson } from '../../src/plan/routing-json.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { wholeNumbers } from '../50.memory-node/whole-numbers.ts';
import { Cluster } from '../cluster.ts';
import { runs } from '../runs.ts';

const folder = mkdtempSync(join(tmpdir(), 'flexemr-siege-'));
afterAll(() => rmSync(folder, { recursive: true }));

/**
 * The additional memory of a worker under attack (docs/operating.md): JSON bodies and the values that are parsed from
 * them, slots, which become resident when they are used, and the buffers of each connection.
 */
const moreRssMax =
  6 * limits.jsonBodiesBytesMax + limits.workerSlotBytesDefault + limits.connectionsMax * 65_536;

const descriptors = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;
const rss = (pid: number): number =>
  1024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

interface Seen {
  readonly right: number;
  readonly asked: number;
  readonly p99Ms: number;
  readonly failures: readonly string[];
}

/** Sends small lookups at a steady rate, and checks their answers. */
async function lookUp(ranker: Ranker, ms: number): Promise<Seen> {
  const latencies: number[] = [];
  const failures: string[] = [];
  let [right, asked] = [0, 0];
  const until = performance.now() + ms;
  for (; performance.now() < until; await sleep(5)) {
    const key = keys[asked++ % keys.length];
    const began = performance.now();
    try {
      using pooled = await ranker.lookup({ sum: { keys: [key, key], offsets: [0] } }, { deadline: 2_000 });
      if (pooled.get('sum')?.values[0] === 2 * rowOf(key)) right++;
      else failures.push('wrong');
    } catch (error) {
      failures.push(String((error as { code?: string }).code));
    }
    latencies.push(performance.now() - began);
  }
  latencies.sort((a, b) => a - b);
  return { right, asked, failures, p99Ms: latencies[Math.floor(latencies.length * 0.99)] };
}

const [sums] = wholeNumbers.filter(({ spec }) => spec.name === 'sum');
const keys = Array.from({ length: 40 }, (_, key) => key).filter(
  (key) => BigInt(key) !== BigInt(sums.spec.padding ?? -1),
);
const rowOf = (key: number): number => sums.rows[key * sums.spec.dim];

test.for(['a token', 'no token'] as const)('with %s', async (how) => {
  const token = how === 'a token' ? 'a-token-of-many-letters' : undefined;
  await using cluster = await Cluster.start({ tables: wholeNumbers, nodes: 2, split: 'row', ports: false });
  const plan = join(folder, 'plan.json');
  const tokenFile = join(folder, 'token');
  writeFileSync(
    plan,
    routingJson({ ...cluster.routing, nodes: cluster.routing.nodes.map(({ id }) => ({ id })) }),
  );
  writeFileSync(tokenFile, token ?? '');
  const nodes = cluster.routing.nodes.map(({ id }) => {
    const secured = token === undefined ? [] : ['--token-file', tokenFile];
    return new NodeProcess(id, ['--tables', cluster.file, '--plan', plan, '--node', id, ...secured]);
  });
  try {
    const ready = await Promise.all(nodes.map((node) => node.ready()));
    const routing: RoutingTable = {
      ...cluster.routing,
      nodes: ready.map(({ node, url }) => ({ id: node, url })),
    };
    await using ranker = await openRanker({ routing, security: { token } });
    const pids = nodes.map(({ pid }) => pid as number);
    await lookUp(ranker, 500);
    const alone = await lookUp(ranker, 1_500);
    const [fdsBefore, rssBefore] = [pids.map(descriptors), pids.map(rss)];
    const ports = ready.flatMap((one) => one.ports).join();
    const besiegers = [fork(join(import.meta.dirname, 'besieger.ts'), [ports, '', '40'])];
    // Some attackers have the token too.
    if (token) besiegers.push(fork(join(import.meta.dirname, 'besieger.ts'), [ports, token, '40']));
    await sleep(1_500);
    const besieged = await lookUp(ranker, runs.siegeMs);
    const rssMax = pids.map(rss);
    for (const besieger of besiegers) besieger.disconnect();
    await Promise.all(besiegers.map((besieger) => once(besieger, 'exit')));
    console.log(
      how,
      { alone, besieged },
      rssMax.map((bytes, i) => (bytes - rssBefore[i]) / 2 ** 20),
    );
    expect(alone.right).toBe(alone.asked);
    expect(besieged.failures).not.toContain('wrong');
    expect(besieged.right / besieged.asked).toBeGreaterThanOrEqual(0.99);
    // The floor of 10 ms tolerates a busy machine with two processors.
    expect(besieged.p99Ms).toBeLessThanOrEqual(5 * Math.max(alone.p99Ms, 10));
    for (const [i, bytes] of rssMax.entries()) expect(bytes - rssBefore[i]).toBeLessThan(moreRssMax);
    await expect.poll(() => pids.map((pid, i) => descriptors(pid) <= fdsBefore[i] + 2)).toEqual([true, true]);
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
  }
});
