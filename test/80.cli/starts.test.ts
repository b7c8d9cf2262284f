// Processes of nodes: how a start fails, and the effects of signals and closed pipes.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Ready } from '../../src/index.ts';
import { connectionsMin, nodeDescriptorsMin, workerDescriptorsMin } from '../../src/limits.ts';
import { runs } from '../runs.ts';
import { done, main, Running, served, tablesFile, until } from './command.ts';

const dir = mkdtempSync(join(tmpdir(), 'flexemr-starts-'));
afterAll(() => rmSync(dir, { recursive: true }));
const plan = join(dir, 'plan.json');
const one = ['--tables', tablesFile, '--plan', plan, '--node', 'node0'];
beforeAll(() => {
  done('plan', '--tables', tablesFile, '--nodes', '1', '--out', plan);
});

/** Runs `flexemr serve` with a limit of open files. A node that starts gets a signal after its ready line. */
function servedWith(
  descriptors: number,
  workers: number,
): { status: number | null; out: string; err: string } {
  const script = `ulimit -n ${descriptors}; "$@" | { read -r line; echo "$line"; }; exit "\${PIPESTATUS[0]}"`;
  const command = [process.execPath, main, 'serve', ...one, '--workers', String(workers)];
  const timed = ['timeout', '-s', 'TERM', '-k', '5', '3', ...command];
  const { status, stdout, stderr } = spawnSync('bash', ['-c', script, 'bash', ...timed], {
    encoding: 'utf8',
  });
  return { status, out: stdout, err: stderr };
}

describe.each([1, 4])('with %i workers', (workers) => {
  const needed = nodeDescriptorsMin + workers * workerDescriptorsMin;

  test('too few descriptors: it ends with one line that says which limit to raise', () => {
    const { status, out, err } = servedWith(needed - 1, workers);
    expect({ status, out: out.trim() }).toEqual({ status: 1, out: '' });
    expect(err).toMatch(/^flexemr: LIMIT_EXCEEDED: [^\n]+\n$/);
    expect(err).toContain(`raise ulimit -n to at least ${needed}`);
  });

  test('the documented number of descriptors is sufficient, and a signal ends it', () => {
    const { status, out, err } = servedWith(needed, workers);
    expect(out).toMatch(/^node0 is ready/);
    expect(err).toContain('"cause":"SIGTERM"');
    expect(status).toBe(124);
  });
});

test('a node that can open few files limits its connections, logs that, and continues to serve', async () => {
  const spare = 20;
  const descriptors = nodeDescriptorsMin + workerDescriptorsMin + spare;
  const started = [
    '-c',
    `ulimit -n ${descriptors}; exec "$@"`,
    'bash',
    process.execPath,
    main,
    'serve',
    '--json',
  ];
  await using node = new Running([...started, ...one], 'bash');
  const { url, ports } = JSON.parse(await node.line()) as Ready;
  const connections = connectionsMin + spare;
  expect(node.log).toEqual([
    expect.objectContaining({ level: 40, connections, msg: expect.stringContaining('ulimit -n') }),
  ]);
  await using crowd = new DisposableStack();
  let cut = 0;
  for (let i = 0; i < 200; i++) {
    const socket = connect(ports[0], '127.0.0.1');
    crowd.defer(() => void socket.destroy());
    socket.on('error', () => {}).on('close', () => cut++);
  }
  await until('all but those that may stay are cut off', () => cut >= 200 - connections);
  for (let i = 0; i < 20; i++) expect((await fetch(`${url}/readyz`)).status).toBe(200);
  const [, pressure, ...more] = node.log;
  expect(pressure).toMatchObject({
    level: 40,
    worker: 0,
    connectionsMax: connections,
    msg: 'connections were closed',
  });
  expect(more).toEqual([]);
  node.child.kill('SIGTERM');
  expect((await node.ended).code).toBe(0);
});

test('signals at any moment of a start end it', async () => {
  const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
  const starts = Array.from({ length: runs.starts }, (_, i) => ({
    signal: signals[i % 3],
    ms: (i * 700) / runs.starts,
  }));
  for (const { signal, ms } of starts) {
    await using node = new Running([main, 'serve', ...one, '--workers', '2']);
    await sleep(ms);
    node.child.kill(signal);
    const { code, stderr } = await node.ended;
    // Before Node.js has installed our handler, the signal itself ends the process.
    expect(code === 0 || node.child.signalCode === signal, `${signal} after ${ms} ms: ${stderr}`).toBe(true);
  }
});

test('it continues to serve when the reader of its ready line disconnects', async () => {
  const { node, ready } = await served(...one);
  await using running = node;
  running.child.stdout?.destroy();
  expect((await fetch(`${ready.url}/readyz`)).status).toBe(200);
  running.child.kill('SIGTERM');
  expect((await running.ended).code).toBe(0);
});

test('SIGHUP drains like SIGTERM', async () => {
  const { node } = await served(...one);
  await using running = node;
  running.child.kill('SIGHUP');
  await until('its end', () => running.child.exitCode !== null || running.child.signalCode !== null);
  expect((await running.ended).code).toBe(0);
  expect(running.log).toContainEqual(expect.objectContaining({ cause: 'SIGHUP', msg: 'draining' }));
});
