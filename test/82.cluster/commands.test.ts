// Swaps by the commands that operators use, between processes, of which any may die at any time.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openClusterSource, openRanker, parseRouting, routingJson } from '../../src/index.ts';
import { done, main, Running, refused, served } from '../80.cli/command.ts';
import { Asking, codesOf, versionOf, writeVersion } from './versioned.ts';

const folder = mkdtempSync(join(tmpdir(), 'flexemr-commands-'));
const at = (name: string): string => join(folder, name);
const plan = at('plan.json');
const swaps = process.env.FLEXEMR_SOAK === '1' ? 50 : 5;

test('any process may die during a swap: no lookup mixes versions, and the next command goes on', async () => {
  for (let version = 1; version <= swaps + 1; version++) await writeVersion(at(`${version}`), version);
  done('plan', '--tables', at('1'), '--nodes', '2', '--split', 'row', '--out', plan);
  const start = (id: string, port: number) =>
    served('--tables', at('1'), '--plan', plan, '--node', id, '--headroom', '1', '--port', String(port));
  const nodes = new Map([
    ['node0', await start('node0', 0)],
    ['node1', await start('node1', 0)],
  ]);
  const ports = new Map([...nodes].map(([id, { ready }]) => [id, ready.ports[0]]));
  const routing = parseRouting(readFileSync(plan, 'utf8'));
  const named = routing.nodes.map((node) => ({ ...node, url: nodes.get(node.id)?.ready.url }));
  writeFileSync(plan, routingJson({ ...routing, nodes: named }));
  await using ranker = await openRanker({ routing: plan });
  using asking = new Asking(ranker, 2);
  const faults: string[] = [];
  try {
    for (let version = 2; version <= swaps + 1; version++) {
      const swap = ['swap', '--routing', plan, '--tables', at(`${version}`), '--version', String(version)];
      const command = new Running([main, ...swap]);
      const fault = ['none', 'command', 'node0', 'node1'][version % 4];
      const ms = Math.floor(Math.random() * 2_500);
      faults.push(`${fault} after ${ms} ms`);
      await sleep(ms);
      if (fault === 'command') {
        await command[Symbol.asyncDispose]();
        const { code, stderr } = await new Running([main, ...swap]).ended;
        expect({ code, stderr, faults }).toEqual({ code: 0, stderr: '', faults });
      } else {
        const killed = nodes.get(fault);
        if (killed !== undefined) {
          await killed.node[Symbol.asyncDispose]();
          nodes.set(fault, await start(fault, ports.get(fault) ?? 0));
        }
        const { code, stderr } = await command.ended;
        expect({ code, stderr, faults }).toEqual({ code: 0, stderr: '', faults });
      }
      await expect
        .poll(() => versionOf(ranker, version).catch(String), { message: faults.join() })
        .toBe(version);
      const { cluster } = await (await openClusterSource(plan)).read();
      expect(Object.keys(cluster)).toEqual(['serving']);
    }
    const { failures } = await asking.stop();
    // A node that is dead cannot answer.
    expect(codesOf(failures).filter((code) => !/^(UNAVAILABLE|DEADLINE_EXCEEDED)/.test(code))).toEqual([]);
    refused(['swap', '--routing', plan, '--tables', at('1'), '--version', '1'], 1, /version 1 is not new/);
    refused(['swap', '--routing', plan, '--abort'], 1, /no change of the cluster is under way/);
    refused(['swap', '--routing', plan], 2, /--tables <file>/);
    refused(['rebalance', '--routing', plan], 2, /--node <id=url>/);
  } finally {
    for (const { node } of nodes.values()) await node[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  }
});
