// Runs in the guest, with a memory node on one host and a ranker on the other. The cable between them loses packets, is
// pulled and is plugged in again. Prints the outcome of each phase, as one JSON object per line.
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { MemoryNodeHost } from '../../../src/host/memory-node-host.ts';
import { openRanker } from '../../../src/host/open-ranker.ts';
import { planSharding } from '../../../src/plan/planner.ts';
import type { Ranker } from '../../../src/ranker/ranker.ts';
import { HttpTransport } from '../../../src/transport/http.ts';
import { RdmaTransport } from '../../../src/transport/rdma/rdma.ts';
import { StreamTransport } from '../../../src/transport/stream.ts';
import { someBags, tables } from '../../60.transport/rig.ts';
import { openLocally, writeTables } from '../../tables-file.ts';

const file = '/tmp/tables.safetensors';
const gidIndex = 0;
const deadline = 60_000;
/** The bags of each lookup, of tables without ids. */
const asked = Array.from({ length: 5 }, (_, seed) => {
  const { ids, ...bags } = someBags(seed);
  return bags;
});

const own = tables.filter(({ ids }) => ids === undefined);
await writeTables(file, own);
await using local = await openLocally(file, own);
const wanted = await Promise.all(asked.map(async (bags) => vectors(await local.lookup(bags))));
const specs = own.map(({ spec }) => ({ spec }));
const { routing } = planSharding({ tables: specs, nodes: [{ id: 'n0' }], split: 'table' });
const left = { device: 'rxe_left', gidIndex };
await using node = await MemoryNodeHost.start({ tables: file, routing, node: 'n0', rdma: left });
const transport = await RdmaTransport.open(
  new StreamTransport(new HttpTransport()),
  {},
  { device: 'rxe_right', gidIndex },
);
const routed = { ...routing, nodes: [{ id: 'n0', url: node.url }] };
await reach();
await using ranker = await openRanker({ routing: routed, transport });

/** Retries, because the first answer of a node in the emulated guest may take longer than rankers wait. */
async function reach(triesLeft = 20): Promise<void> {
  await transport.describe(node.url).catch(async (error) => {
    if (triesLeft === 0) throw error;
    await reach(triesLeft - 1);
  });
}

function vectors(lookup: Awaited<ReturnType<Ranker['lookup']>>): string {
  return [...lookup.values()]
    .map(({ values }) => Buffer.from(values.slice().buffer).toString('base64'))
    .join();
}

async function untilConnected(connected: number): Promise<void> {
  const until = performance.now() + 120_000;
  while (transport.connected !== connected && performance.now() < until) {
    await ranker.lookup(asked[0], { deadline });
    await sleep(50);
  }
}

/** Runs `times` rounds of concurrent lookups, and prints their outcomes. */
async function lookUp(phase: string, times: number): Promise<void> {
  const seen = { phase, right: 0, wrong: 0, failed: 0, slowestMs: 0 };
  for (let i = 0; i < times; i++) {
    const begin = performance.now();
    const outcomes = await Promise.allSettled(
      asked.map(async (bags, j) => vectors(await ranker.lookup(bags, { deadline })) === wanted[j]),
    );
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') seen.failed++;
      else if (outcome.value) seen.right++;
      else seen.wrong++;
    }
    seen.slowestMs = Math.max(seen.slowestMs, Math.round(performance.now() - begin));
  }
  console.log(JSON.stringify({ ...seen, connected: transport.connected }));
}

function change(command: string): void {
  execFileSync('bash', ['-c', `. /run/hosts.sh; ${command}`]);
}

await untilConnected(1);
await lookUp('plain', 20);
change('impair left loss 1% delay 1ms reorder 25%');
change('impair right loss 1% delay 1ms reorder 25%');
await lookUp('impaired', 20);
change('mend left; mend right');
const pulled = sleep(20).then(() => change('unplug right'));
await lookUp('unplugged', 20);
await pulled;
await untilConnected(0);
await lookUp('by the stream', 5);
change('plug right');
await untilConnected(1);
await lookUp('plugged', 20);
