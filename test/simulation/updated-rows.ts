// The rows of all nodes of a simulated cluster, compared with what its log of row updates has held.
import { FollowedPlace } from '../../src/memory-node/followed-place.ts';
import type { UpdatesHosting } from '../../src/memory-node/node-updates.ts';
import type { UpdatedShard } from '../../src/memory-node/row-writer.ts';
import type { NumberedShard } from '../../src/plan/routing-table.ts';
import type { ChangingNode } from './changing-node.ts';
import type { SimulatedLog } from './simulated-log.ts';
import { fromFile, stampAt, stampedRow } from './update-history.ts';
import { dim, fileRow } from './versioned-shards.ts';

/** A chain, and the shard that it belongs to. */
export interface KnownChain {
  readonly planned: NumberedShard;
  readonly version: number;
}

export class UpdatedRows {
  readonly #nodes: () => readonly ChangingNode[];
  readonly #log: SimulatedLog;
  readonly #chains: ReadonlyMap<string, KnownChain>;

  constructor(
    nodes: () => readonly ChangingNode[],
    log: SimulatedLog,
    chains: ReadonlyMap<string, KnownChain>,
  ) {
    this.#nodes = nodes;
    this.#log = log;
    this.#chains = chains;
  }

  /** Every shard of every node has the rows of a batch that was written. @returns the first that has not all of them */
  compare(): string | undefined {
    const problems = this.#nodes().map((node) => this.#compareNode(node));
    return problems.find((problem) => problem !== undefined);
  }

  #compareNode({ name, current }: ChangingNode): string | undefined {
    if (current === undefined || current.releases.length === 0) return undefined;
    current.checkFreed();
    const hosting = current.updated;
    const problems = hosting.shards.map((shard) => this.#compare(name, hosting, shard));
    return problems.find((problem) => problem !== undefined);
  }

  #compare(node: string, hosting: UpdatesHosting, shard: UpdatedShard): string | undefined {
    const { arena, rows, chain } = shard;
    const { buffer } = hosting.memories[arena];
    const place = placeOf(hosting, shard);
    const history = this.#log.chain(chain);
    const { end } = history;
    const { position } = place.followedTo;
    const what = `${node}, ${chain}`;
    if (place.isReloading) return `${what}: is reloading`;
    const entry = history.entry(position.digest);
    const isSame = entry?.number === position.number && entry.incarnation === position.incarnation;
    if (position.number > 0n && !isSame)
      throw new Error(`${what}: batch ${position.number} was not written so`);
    const { version } = this.#chains.get(chain) as KnownChain;
    const floats = new Float32Array(buffer, rows.address, rows.rows * dim);
    for (let row = 0; row < rows.rows; row++) {
      const key = rows.rowBase + row;
      const stamp = stampAt(key, entry);
      const wanted = stamp === fromFile ? fileRow(version, key) : stampedRow(key, stamp, dim);
      const found = floats.subarray(row * dim, (row + 1) * dim);
      if (found.some((value, i) => value !== wanted[i]))
        throw new Error(`${what}: row ${key} is ${[...found]} at ${position.number}, not ${wanted}`);
    }
    if (entry === end) return undefined;
    return `${what}: is at ${position.number}, and the log at ${end?.number ?? 0n}`;
  }

  /** Whether every shard has batches that the log has, and is answered. */
  areWhole(): boolean {
    return this.#nodes().every(({ current }) => {
      if (current === undefined || current.releases.length === 0) return true;
      const hosting = current.updated;
      return hosting.shards.every((shard) => {
        const place = placeOf(hosting, shard);
        const { digest, number } = place.followedTo.position;
        const lostAt = this.#log.chain(shard.chain).entry(digest)?.lostAt ?? Number.POSITIVE_INFINITY;
        return !place.isReloading && (number === 0n || lostAt === Number.POSITIVE_INFINITY);
      });
    });
  }
}

/** The update record of a shard, in the memory of a node. */
export function placeOf({ memories }: UpdatesHosting, { arena, updates }: UpdatedShard): FollowedPlace {
  const { buffer } = memories[arena];
  return new FollowedPlace({ words: new Uint32Array(buffer), longs: new BigUint64Array(buffer) }, updates);
}
