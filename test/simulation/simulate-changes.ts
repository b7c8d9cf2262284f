// One seed of a cluster that changes while it serves, or whose rows do.
import { Network } from '../../src/simulation/network.ts';
import { World } from '../../src/simulation/world.ts';
import { ChangesRun } from './changes.ts';
import type { ChangesPlan } from './changes-plan.ts';
import { Ledger } from './ledger.ts';

export interface ChangesOutcome {
  readonly error: Error | undefined;
  readonly events: number;
  readonly lookups: number;
  readonly answered: number;
  readonly lastEvents: readonly string[];
  readonly digest: string;
}

/** Simulates a cluster that changes. */
export async function simulateChanges(seed: number, plan: ChangesPlan): Promise<ChangesOutcome> {
  using world = new World(seed);
  using network = new Network(world, plan.weather);
  using _ = new Ledger(world);
  const run = new ChangesRun(world, network, plan);
  let error: Error | undefined;
  try {
    await world.run(run.play());
  } catch (cause) {
    error = cause as Error;
  }
  const { last: lastEvents } = world.history;
  return { error, events: world.steps, ...run.counts, lastEvents, digest: world.history.digest() };
}
