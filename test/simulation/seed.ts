// One seed: a cluster whose nodes follow nobody, and in some seeds another one, which changes while it serves.
import { createHash } from 'node:crypto';
import { World } from '../../src/simulation/world.ts';
import { simulateChanges } from './changes.ts';
import { changesOf } from './changes-plan.ts';
import { type Outcome, simulate } from './simulation.ts';

export interface SeedOutcome extends Omit<Outcome, 'plan'> {
  /** What the seed has decided. */
  readonly plan: object;
}

export async function simulateSeed(seed: number): Promise<SeedOutcome> {
  const outcome = await simulate(seed);
  const plan = changesPlanOf(seed);
  if (outcome.error !== undefined || plan === undefined) return outcome;
  const changes = await simulateChanges(seed, plan);
  return {
    ...{ seed, plan, error: changes.error, lastEvents: changes.lastEvents, held: outcome.held },
    events: outcome.events + changes.events,
    lookups: outcome.lookups + changes.lookups,
    answered: outcome.answered + changes.answered,
    digest: createHash('sha256').update(outcome.digest).update(changes.digest).digest('hex'),
  };
}

function changesPlanOf(seed: number): ReturnType<typeof changesOf> {
  using world = new World(seed);
  return changesOf(seed, world.dice.fork());
}
