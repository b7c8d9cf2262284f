// From nothing to serving, by the commands of docs/cluster.md, word for word: three nodes, every row on two of them, the truth in NATS. Then new
// versions under load, while nodes, commands and NATS die.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { ClusterStatus } from '../../src/host/cluster-status.ts';
import { openRanker, writeSafetensors } from '../../src/index.ts';
import { done, main, Running, served } from '../80.cli/command.ts';
import { Asking, codesOf, versionOf, writeVersion } from '../82.cluster/versioned.ts';
import { documented, documentedNames } from './documented.ts';
import { freePorts, NatsServer } from './nats-server.ts';

const names = ['a', 'b', 'c'];

/** Two requests for each of the three tables. */
async function writeRequests(path: string): Promise<void> {
  const tensors = ['00', '01', '02'].flatMap((table) => [
    { name: `indices_${table}`, dtype: 'I64' as const, shape: [3], data: BigInt64Array.of(1n, 8n, 15n) },
    { name: `offsets_${table}`, dtype: 'I64' as const, shape: [3], data: BigInt64Array.of(0n, 2n, 3n) },
  ]);
  await writeSafetensors(path, tensors);
}

test('docs/cluster.md has the commands', () => {
  expect(documentedNames).toEqual(['plan', 'serve', 'lookup', 'swap', 'status']);
});

const swaps = process.env.FLEXEMR_SOAK === '1' ? 50 : 4;
const faults = ['none', 'command', 'node', 'nats'] as const;

test('nobody notices: no lookup fails or mixes versions, whatever dies during a swap', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'flexemr-live-'));
  await using server = await NatsServer.start();
  const truth = server.at('flexemr');
  const tables = (version: number): string => join(folder, `${version}.safetensors`);
  for (let version = 1; version <= swaps + 1; version++) await writeVersion(tables(version), version);
  const ports = await freePorts(names.length);
  const said = (name: string, values: Parameters<typeof documented>[1] = {}): string[] =>
    documented(name, { 'nats://HOST:4222/flexemr': truth, ...values });
  const urls = ports.map((port) => `http://127.0.0.1:${port}`);
  // Rows of a table on several nodes, so that versions could be mixed.
  done(...said('plan', { T: tables(1), URL: urls }), '--split', 'row');
  const start = (i: number) => {
    const words = said('serve', { T: tables(1), P: String(ports[i]) });
    return served(...words.with(words.indexOf('--node') + 1, names[i]).slice(1));
  };
  const nodes = await Promise.all(names.map((_, i) => start(i)));
  await using ranker = await openRanker({ routing: truth });
  using asking = new Asking(ranker, 2);
  try {
    for (let version = 2; version <= swaps + 1; version++) {
      const swap = said('swap', { T2: tables(version), 2: String(version) });
      const fault = faults[version % faults.length];
      const ms = Math.floor(Math.random() * 1_500);
      const command = new Running([main, ...swap]);
      await sleep(ms);
      if (fault === 'node') {
        await nodes[1].node[Symbol.asyncDispose]();
        nodes[1] = await start(1);
      }
      if (fault === 'command') await command[Symbol.asyncDispose]();
      if (fault === 'nats') {
        await server.kill();
        await sleep(500);
        await server.start();
      }
      const { code } = await command.ended;
      // What was interrupted goes on.
      if (code !== 0) {
        expect(['command', 'nats']).toContain(fault);
        const { code: again, stderr } = await new Running([main, ...swap]).ended;
        expect({ again, stderr, fault, ms }).toEqual({ again: 0, stderr: '', fault, ms });
      }
      // The command ends once every ranker has written that its lookups are of the new version.
      expect(await versionOf(ranker, version)).toBe(version);
    }
    const { versions, failures } = await asking.stop();
    expect(codesOf(failures)).toEqual([]);
    expect([...versions.keys()]).toEqual(Array.from({ length: swaps + 1 }, (_, i) => i + 1));
    const pooled = join(folder, 'pooled.safetensors');
    await writeRequests(join(folder, 'requests.safetensors'));
    expect(done(...said('lookup', { R: join(folder, 'requests.safetensors'), O: pooled }))).toMatchObject({
      requests: 2,
    });
    const status = done(...said('status')) as unknown as ClusterStatus;
    expect(status.serving.versions).toEqual([swaps + 1]);
    expect(status).not.toHaveProperty('next');
    expect(status.nodes.map(({ node, answers }) => [node, answers])).toEqual(
      names.map((name) => [name, true]),
    );
  } finally {
    for (const { node } of nodes) await node[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }
});
