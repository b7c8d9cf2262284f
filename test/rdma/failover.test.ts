// Real verbs between two hosts in the guest: lost packets are resent, and lookups continue when a connection breaks.
import { describe, expect, test } from 'vitest';
import { missingPackages, runInGuest } from './guest.ts';

const missing = missingPackages();
const lookupsEach = 100;

describe.skipIf(missing.length > 0)('the cable between node and ranker', () => {
  test('can lose packets, be pulled and be plugged in again: no lookup fails or is wrong', async () => {
    const program = `${import.meta.dirname}/programs/failover.ts`;
    const { output, exitCode } = await runInGuest(`"$NODE" --no-warnings ${program}`, {
      network: 'two-hosts',
      env: { NODE: process.execPath },
      cpus: 1,
      timeoutS: 500,
    });
    console.log(output);
    expect(exitCode).toBe(0);
    const phases = output
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
    const right = { right: lookupsEach, wrong: 0, failed: 0 };
    expect(phases).toMatchObject([
      { phase: 'plain', ...right, connected: 1 },
      { phase: 'impaired', ...right, connected: 1 },
      { phase: 'unplugged', ...right },
      { phase: 'by the stream', ...right, right: 25, connected: 0 },
      { phase: 'plugged', ...right, connected: 1 },
    ]);
  });
});
