// A ranker that follows a simulated cluster, and lookups that give away which version has answered them.

import { FlexemrError } from '../../src/errors.ts';
import { FollowedCluster } from '../../src/host/followed-cluster.ts';
import { kernelModule } from '../../src/kernel/files.ts';
import type { LookupUpdates } from '../../src/lookup/answered-updates.ts';
import type { Lookup } from '../../src/lookup/pooled.ts';
import { KeptCluster } from '../../src/plan/kept-cluster.ts';
import { InlineRanker } from '../../src/ranker/inline-ranker.ts';
import type { AtLeast } from '../../src/ranker/wanted-rows.ts';
import { token } from '../../src/simulation/cluster.ts';
import { Descriptions } from '../../src/simulation/descriptions.ts';
import type { Dice } from '../../src/simulation/dice.ts';
import type { Network } from '../../src/simulation/network.ts';
import { type LocalClock, Processor } from '../../src/simulation/processor.ts';
import type { World } from '../../src/simulation/world.ts';
import { StreamTransport } from '../../src/transport/stream.ts';
import type { Truth } from './truth.ts';
import { TruthBucket } from './truth-bucket.ts';
import { fromFile, stampOf } from './update-history.ts';
import { dim, versionStep } from './versioned-shards.ts';

const workspaceBytes = 2 ** 25;
const bagsPerTable = 3;
const keysMax = 6;
/** Until it is opened again. */
const againMs = 300;

export interface FollowingOptions {
  readonly world: World;
  readonly network: Network;
  readonly truth: Truth;
  readonly clock: LocalClock;
  readonly cache: number | 'off';
  /** Rows of each table that every version has. */
  readonly rows: readonly number[];
  /** Tables that take updates. */
  readonly updated: readonly number[];
}

/** A row of a table that takes updates. */
export interface SeenRow {
  readonly table: string;
  readonly key: number;
  readonly stamp: number;
}

/** A lookup that has ended. */
export interface Ended {
  readonly begun: number;
  /** Whether every table was answered by the same version, and which. */
  readonly version: number | undefined;
  readonly error: FlexemrError | undefined;
  readonly rows: readonly SeenRow[];
  readonly updates: LookupUpdates | undefined;
}

export class FollowingRanker {
  readonly processor: Processor;
  readonly #of: FollowingOptions;
  readonly #dice: Dice;
  #ranker: InlineRanker | undefined;
  /** Since when its lookups may not use what was served only before. */
  floor = 0;
  begun = 0;
  ended = 0;

  constructor(number: number, of: FollowingOptions) {
    this.processor = new Processor(`ranker${number}`);
    this.processor.clock = of.clock;
    this.#of = of;
    this.#dice = of.world.dice.fork();
  }

  get isOpen(): boolean {
    return this.#ranker !== undefined && !this.processor.dead;
  }

  /** Opens, again and again until it can. */
  async open(): Promise<void> {
    const { world } = this.#of;
    while (this.#ranker === undefined) {
      this.#ranker = await world
        .in(this.processor, () => this.#open())
        .catch((error: Error) => {
          world.history.add(`${this.processor.name} does not open: ${error.message}`);
          return undefined;
        });
      if (this.#ranker === undefined) await world.sleep(againMs);
    }
  }

  async #open(): Promise<InlineRanker> {
    const { network, truth, cache } = this.#of;
    const cluster = new FollowedCluster(new KeptCluster(new TruthBucket(truth, this.processor)));
    return await InlineRanker.open({
      routing: cluster,
      transport: new StreamTransport(new Descriptions(network), { token }),
      module: kernelModule('ranker'),
      ...{ workspaceBytes, cache },
      onPlan: cluster.uses,
      onClosed: () => cluster.close(),
    });
  }

  /** Looks up rows of all tables. @throws if it ends late, or with what no version or several versions have */
  async lookUp(deadline: number, atLeast?: AtLeast): Promise<Ended> {
    const { world, rows, updated } = this.#of;
    const { processor } = this;
    const number = ++this.begun;
    const begun = world.now;
    const keys = rows.map((count, table) =>
      Array.from({ length: bagsPerTable }, () =>
        // Rows that may have been updated are seen one by one.
        Array.from({ length: updated.includes(table) ? 1 : this.#dice.between(1, keysMax) }, () =>
          this.#dice.between(0, count - 1),
        ),
      ),
    );
    const bags = Object.fromEntries(
      keys.map((table, i) => [
        `t${i}`,
        { keys: Uint32Array.from(table.flat()), lengths: table.map(({ length }) => length) },
      ]),
    );
    let lookup: Lookup | undefined;
    let error: FlexemrError | undefined;
    try {
      lookup = await world.in(processor, () => this.#ranker?.lookup(bags, { deadline, atLeast }));
    } catch (cause) {
      if (!(cause instanceof FlexemrError)) throw cause;
      error = cause;
    }
    this.ended++;
    // Its clock may go slower than that of the simulation.
    const late = world.now - begun - deadline / processor.clock.rate - 1;
    if (late > 0) throw new Error(`${processor.name}: lookup ${number} ended ${late} ms after it had to`);
    const seen: SeenRow[] = [];
    const version = lookup && this.#versionOf(lookup, keys, number, seen);
    const updates = lookup?.updates;
    world.history.add(`${processor.name}: lookup ${number}: ${version ?? error}`);
    lookup?.[Symbol.dispose]();
    return { begun, version, error, rows: seen, updates };
  }

  /** @param seen gets rows of tables that take updates @throws if bags are not all of one version */
  #versionOf(lookup: Lookup, keys: readonly number[][][], number: number, seen: SeenRow[]): number {
    const found = new Set<number>();
    for (const [i, table] of keys.entries()) {
      const pooled = lookup.get(`t${i}`);
      for (const [bag, own] of table.entries()) {
        const rows = own.reduce((sum, key) => sum + key, 0);
        if (this.#of.updated.includes(i)) {
          const row = pooled?.values.subarray(bag * dim, (bag + 1) * dim) ?? new Float32Array();
          const stamp = stampOf(row, own[0]);
          if (stamp === undefined)
            throw new Error(`${this.processor.name}: lookup ${number} has half a row: ${[...row]}`);
          seen.push({ table: `t${i}`, key: own[0], stamp });
          // It says nothing of its version.
          if (stamp !== fromFile) continue;
        }
        for (let column = 0; column < (pooled?.dim ?? 0); column++) {
          const value = pooled?.values[bag * (pooled?.dim ?? 0) + column] ?? Number.NaN;
          found.add((value - rows) / (own.length * versionStep));
        }
      }
    }
    const [version] = found;
    if (found.size === 1 && Number.isInteger(version)) return version;
    throw new Error(`${this.processor.name}: lookup ${number} mixes versions ${[...found]}`);
  }

  /** Ends at once. Nobody is told. */
  kill(): void {
    const { world, network } = this.#of;
    world.kill(this.processor);
    network.end(this.processor);
  }

  async close(): Promise<void> {
    if (this.processor.dead) return;
    await this.#of.world.in(this.processor, () => this.#ranker?.close());
  }
}
