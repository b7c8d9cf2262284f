// The stand-in for libibverbs behaves like real verbs, as far as our tests rely on it.
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { buildSelfTest, buildStandIn, missingPackages } from './stand-in/build.ts';
import { openStandIn } from './stand-in.ts';

const missing = missingPackages();
if (missing !== undefined) {
  const message = `the stand-in for libibverbs needs: apt-get install ${missing}`;
  if (process.env.CI) throw new Error(message);
  console.warn(`SKIPPED: ${message}`);
}

describe.skipIf(missing !== undefined)('the stand-in for libibverbs', () => {
  test('behaves like real verbs', { timeout: 120_000 }, () => {
    const program = buildSelfTest(buildStandIn());
    const said = execFileSync(program, { encoding: 'utf8', timeout: 60_000 });
    expect(said.match(/^ok /gm)).toHaveLength(19);
  });

  test('is controlled from JavaScript', () => {
    const standIn = openStandIn();
    expect(standIn.live()).toMatchObject({ contexts: 0, queuePairs: 0, registeredBytes: 0 });
    expect(standIn.threadDomains()).toEqual([]);
    expect(standIn.sharedWork()).toEqual({
      doorbells: 0,
      sends: 0,
      inlineSends: 0,
      receiveDoorbells: 0,
      receives: 0,
      polls: 0,
      contended: 0,
      threads: 0,
    });
    expect([standIn.violations(), standIn.overruns(), standIn.lastViolation()]).toEqual([0, 0, undefined]);
    expect(standIn.failNext('ibv_reg_mr', 12, 1)).toBe(0);
    expect(standIn.failNext('ibv_no_such_verb', 12, 1)).not.toBe(0);
    expect(standIn.setPortState(0, 1)).toBe(0);
    expect(standIn.failQueuePair(4097)).not.toBe(0);
    expect(standIn.step(1)).toBe(0);
    standIn.reset();
  });
});
