// `flexemr swap` and `flexemr rebalance` as simulated processes, which may be killed at any time.
import { FlexemrError } from '../../src/errors.ts';
import { type RollOutStep, rollBack, rollOut } from '../../src/host/roll-out.ts';
import type { Release } from '../../src/plan/cluster.ts';
import { KeptCluster } from '../../src/plan/kept-cluster.ts';
import { Descriptions } from '../../src/simulation/descriptions.ts';
import type { Network } from '../../src/simulation/network.ts';
import { Processor } from '../../src/simulation/processor.ts';
import type { World } from '../../src/simulation/world.ts';
import type { Truth } from './truth.ts';
import { TruthBucket } from './truth-bucket.ts';

/** What the next release is, as the command says it. Undefined: the change that is under way is aborted. */
export type Change = { readonly name: string; readonly next: (serving: Release) => Release } | undefined;

export interface CommandOptions {
  readonly world: World;
  readonly network: Network;
  readonly truth: Truth;
  /** How long it waits for nodes and for rankers each. */
  readonly waitMs: number;
  /** As in RollOutOptions. */
  readonly quietMs: number | undefined;
  /** When it is killed: after so many ms, or right after a step. */
  readonly killAfterMs?: number | undefined;
  readonly killAfter?: RollOutStep | undefined;
}

/** How a command ends. */
export type Outcome = 'done' | 'killed' | FlexemrError;

export function command(change: Change, of: CommandOptions): Promise<Outcome> {
  const { world, network, truth, waitMs, quietMs, killAfterMs, killAfter } = of;
  const name = change?.name ?? 'abort';
  const processor = new Processor(`command ${name}`);
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
  const end = (outcome: Outcome): void => {
    world.history.add(`command ${name}: ${outcome}`);
    resolve(outcome);
  };
  const kill = (): void => {
    if (processor.dead) return;
    world.kill(processor);
    network.end(processor);
    end('killed');
  };
  const unkill =
    killAfterMs === undefined ? undefined : world.at(world.now + killAfterMs, kill, world.outside);
  const onStep = (step: RollOutStep): void => {
    if (step === killAfter) world.at(world.now, kill, world.outside);
  };
  const work = async (): Promise<void> => {
    const store = new KeptCluster(new TruthBucket(truth, processor));
    const transport = new Descriptions(network);
    try {
      const options = { transport, waitMs, quietMs, onStep };
      if (change === undefined) await rollBack(store, options);
      else await rollOut(store, change.next((await store.read()).cluster.serving), options);
    } finally {
      await store.close();
      await transport.close();
    }
  };
  world.in(processor, work).then(
    () => {
      unkill?.();
      if (!processor.dead) end('done');
    },
    (error) => {
      unkill?.();
      if (error instanceof FlexemrError) end(error);
      else reject(error);
    },
  );
  return promise;
}
