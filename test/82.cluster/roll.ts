// Commands that change a cluster.
import { openClusterSource } from '../../src/host/cluster-source.ts';
import { openTransport } from '../../src/host/open-transport.ts';
import { plannedTables } from '../../src/host/plan-cluster.ts';
import { type RollOutStep, rollBack, rollOut } from '../../src/host/roll-out.ts';
import type { Release } from '../../src/plan/cluster.ts';
import { nextVersion } from '../../src/plan/next-release.ts';
import type { VersionedCluster } from './versioned.ts';

const transport = await openTransport({ name: 'stream', security: {}, device: undefined });

/** A command that may be interrupted after a step, as if it had been killed. */
export async function roll(
  cluster: Pick<VersionedCluster, 'plan'>,
  next: ((serving: Release) => Release | Promise<Release>) | 'back',
  killAfter?: RollOutStep,
): Promise<RollOutStep[]> {
  const store = await openClusterSource(cluster.plan);
  const steps: RollOutStep[] = [];
  const onStep = (step: RollOutStep): void => {
    steps.push(step);
    if (step === killAfter) throw new Error('killed');
  };
  const options = { transport, onStep, waitMs: 60_000, quietMs: 500 };
  try {
    if (next === 'back') await rollBack(store, options);
    else await rollOut(store, await next((await store.read()).cluster.serving), options);
  } catch (error) {
    if ((error as Error).message !== 'killed') throw error;
  }
  return steps;
}

/** The release of a version, whose file is written. */
export function version(cluster: VersionedCluster, number: number, rows?: number) {
  return async (serving: Release): Promise<Release> => {
    const file = await cluster.file(number, rows);
    return nextVersion(serving, await plannedTables(file, undefined), number, file);
  };
}
