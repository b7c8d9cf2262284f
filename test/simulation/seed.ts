// One seed: a cluster whose nodes follow nobody, and in some seeds another one, which changes while it serves, or
// whose rows do.
import { createHash } from 'node:crypto';
import { World } from '../../src/simulation/world.ts';
import { changesOf, updatedOf } from './changes-plan.ts';
import { type ChangesOutcome, simulateChanges } from './simulate-changes.ts';
import { type Outcome, simulate } from './simulation.ts';

export interface SeedOutcome extends Omit<Outcome, 'plan'> {
  /** What the seed has decided. */
  readonly plan: object;
}

/** @param updates whether rows change, too */
export async function simulateSeed(seed: number, updates = true): Promise<SeedOutcome> {
  const outcome = await simulate(seed);
  const changing = async (): Promise<Awaited<ReturnType<typeof simulateChangesOf>>> =>
    (await simulateChangesOf(seed)) ?? (updates ? await simulateUpdatesOf(seed) : undefined);
  const changes = outcome.error === undefined ? await changing() : undefined;
  if (changes === undefined) return outcome;
  return {
    ...changes,
    ...{ seed, held: outcome.held },
    events: outcome.events + changes.events,
    lookups: outcome.lookups + changes.lookups,
    answered: outcome.answered + changes.answered,
    digest: createHash('sha256').update(outcome.digest).update(changes.digest).digest('hex'),
  };
}

/** Only the cluster that changes. Undefined: the seed has none. */
export async function simulateChangesOf(
  seed: number,
): Promise<(ChangesOutcome & { readonly plan: object }) | undefined> {
  const plan = changesPlanOf(seed);
  return plan && { ...(await simulateChanges(seed, plan)), plan };
}

/** Only the cluster whose rows change. Undefined: the seed has none. */
export async function simulateUpdatesOf(
  seed: number,
): Promise<(ChangesOutcome & { readonly plan: object }) | undefined> {
  const plan = updatedPlanOf(seed);
  return plan && { ...(await simulateChanges(seed, plan)), plan };
}

function updatedPlanOf(seed: number): ReturnType<typeof updatedOf> {
  using world = new World(seed);
  return updatedOf(seed, world.dice.fork());
}

function changesPlanOf(seed: number): ReturnType<typeof changesOf> {
  using world = new World(seed);
  return changesOf(seed, world.dice.fork());
}
