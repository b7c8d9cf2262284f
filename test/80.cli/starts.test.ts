// How a node's start fails and what its signals and the ends of its pipes do to it, as processes.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeDescriptorsMin, workerDescriptorsMin } from '../../src/limits.ts';
import { done, main, served, tablesFile, until } from './command.ts';

const dir = mkdtempSync(join(tmpdir(), 'flexemr-starts-'));
afterAll(() => rmSync(dir, { recursive: true }));
const plan = join(dir, 'plan.json');
const one = ['--tables', tablesFile, '--plan', plan, '--node', 'node0'];
beforeAll(() => {
  done('plan', '--tables', tablesFile, '--nodes', '1', '--out', plan);
});

/** `flexemr serve` where a process may open so many files; a node that starts is told to stop after its ready line. */
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

  test('too few descriptors: one line that says what to raise, and the end', () => {
    const { status, out, err } = servedWith(needed - 1, workers);
    expect({ status, out: out.trim() }).toEqual({ status: 1, out: '' });
    expect(err).toMatch(/^flexemr: LIMIT_EXCEEDED: [^\n]+\n$/);
    expect(err).toContain(`raise ulimit -n to at least ${needed}`);
  });

  test('as many descriptors as the limit names are enough, and a signal ends it', () => {
    const { status, out, err } = servedWith(needed, workers);
    expect(out).toMatch(/^node0 is ready/);
    expect(err).toContain('"cause":"SIGTERM"');
    expect(status).toBe(124);
  });
});

test('SIGHUP drains like SIGTERM', async () => {
  const { node } = await served(...one);
  await using running = node;
  running.child.kill('SIGHUP');
  await until('its end', () => running.child.exitCode !== null || running.child.signalCode !== null);
  expect((await running.ended).code).toBe(0);
  expect(running.log).toContainEqual(expect.objectContaining({ cause: 'SIGHUP', msg: 'draining' }));
});
