import * as v from 'valibot';
import { checkFields, integer, options as optionsOf } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import { instantiateKernels } from '../kernel/files.ts';
import { deadlineMsMax } from '../limits.ts';
import type { ClusterStore } from '../plan/cluster-store.ts';
import { planName } from '../plan/fingerprint.ts';
import { holdersOf, numberedShards, type RoutingTable } from '../plan/routing-table.ts';
import type { TableSpec } from '../plan/table-spec.ts';
import type { Transport } from '../transport/transport.ts';
import { updateMsDefault, updatePauseMsMax, updatePollMs } from '../update-limits.ts';
import type { WriterPatience } from '../updates/chain-writer.ts';
import type { RowUpdates } from '../updates/row-updates.ts';
import type { UpdateLog } from '../updates/update-log.ts';
import { type ShardMark, type UpdateMark, Updater } from '../updates/updater.ts';

export interface UpdateOptions {
  /** Milliseconds; default updateMsDefault. */
  readonly deadline?: number | undefined;
  /** `applied` (default): waits until every node that holds the rows has applied them. `written`: until the stream has them. */
  readonly until?: 'applied' | 'written' | undefined;
}

const updateOptions = optionsOf({
  deadline: v.optional(integer(1, deadlineMsMax)),
  until: v.optional(v.picklist(['applied', 'written'])),
});

/** What a cluster serves. */
interface Serving {
  /** Of the cluster. */
  readonly revision: string;
  readonly routing: RoutingTable;
  /** Name of the plan. */
  readonly plan: string;
}

/** A node that does not have an update yet. */
interface Behind {
  readonly serves: boolean;
  /** For people. */
  readonly what: string;
}

/** Writes row updates of a cluster. */
export class ClusterUpdater implements AsyncDisposable {
  readonly #store: ClusterStore;
  readonly #log: UpdateLog;
  readonly #transport: Transport;
  readonly #updater: Updater;
  /** What was read last: to name a large plan takes long. */
  #last: Serving | undefined;
  #closed = false;

  /** @internal */
  constructor(store: ClusterStore, log: UpdateLog, transport: Transport) {
    const memory = new WebAssembly.Memory({ initial: 2 });
    this.#store = store;
    this.#log = log;
    this.#transport = transport;
    this.#updater = new Updater(log, { memory, kernels: instantiateKernels(memory) });
  }

  /**
   * Writes rows of the tables that are served, and deletes ids. Calls take effect one after the other.
   * @returns how far each shard has to be, for `lookup({ atLeast })`
   * @throws UNKNOWN_TABLE, INVALID_TABLE, INVALID_KEY, INVALID_OPTION: then nothing was written. UNAVAILABLE, UNAUTHORIZED,
   *   DEADLINE_EXCEEDED, CONFLICT, UPDATES_LOST: then some rows may be written. To send them again does no harm
   */
  async update(updates: RowUpdates, options: UpdateOptions = {}): Promise<UpdateMark> {
    if (this.#closed) throw new FlexemrError('RELEASED', 'the updater is closed');
    const { deadline = updateMsDefault, until = 'applied' } = checkFields(updateOptions, options);
    const patience = new Patience(deadline);
    const serving = await this.#serving();
    const mark = await this.#updater.write(serving.routing, updates, patience);
    await this.#checkSame(serving);
    if (until === 'applied') await this.#applied(serving, mark, patience);
    return mark;
  }

  /** The tables that are served, in order. @throws UNAVAILABLE, UNAUTHORIZED */
  async specs(): Promise<TableSpec[]> {
    return (await this.#serving()).routing.tables.map(({ spec }) => spec);
  }

  async #serving(): Promise<Serving> {
    const { cluster, revision } = await this.#store.read();
    if (this.#last?.revision !== revision) {
      const { routing } = cluster.serving;
      this.#last = { revision, routing, plan: planName(routing) };
    }
    return this.#last;
  }

  /** @throws CONFLICT */
  async #checkSame({ plan }: Serving): Promise<void> {
    if ((await this.#serving()).plan !== plan) throw changed();
  }

  /**
   * Waits until every node that holds the rows says that it has applied them.
   * @param deadline milliseconds; default updateMsDefault @throws DEADLINE_EXCEEDED, which names the nodes
   */
  async applied(mark: UpdateMark, { deadline = updateMsDefault }: UpdateOptions = {}): Promise<void> {
    await this.#applied(await this.#serving(), mark, new Patience(deadline));
  }

  async #applied(serving: Serving, mark: UpdateMark, patience: Patience): Promise<void> {
    for (;;) {
      const behind = await this.#behind(serving, mark);
      if (behind.length === 0) return;
      // It reads the cluster only if a node is silent, or serves another plan.
      if (behind.some(({ serves }) => !serves)) await this.#checkSame(serving);
      patience.check(behind.map(({ what }) => what).join(', '));
      await new Promise((done) => setTimeout(done, updatePollMs));
    }
  }

  /** The nodes that do not have all of it yet. */
  async #behind({ routing, plan }: Serving, mark: UpdateMark): Promise<Behind[]> {
    const wanted = numberedShards(routing).flatMap(({ number, table, shard }) => {
      const own = mark[table.spec.name]?.[number];
      return own === undefined ? [] : holdersOf(shard).map((node) => ({ node, number, own }));
    });
    const found = await Promise.all(
      [...Map.groupBy(wanted, ({ node }) => node)].map(async ([node, shards]) => {
        const { url } = routing.nodes.find(({ id }) => id === node) ?? {};
        const numbers = url === undefined ? undefined : await this.#numbersOf(url, plan);
        if (numbers === undefined)
          return [{ serves: false, what: `node ${node} does not answer, or does not serve plan ${plan}` }];
        return shards
          .filter(({ number, own }) => !reaches(numbers.get(number), own))
          .map(({ number, own }) => {
            const what = `node ${node} has shard ${number} at ${numbers.get(number)?.number ?? 0n} of ${own.number}`;
            return { serves: true, what };
          });
      }),
    );
    return found.flat();
  }

  /**
   * Where a node is in the chain of each of its shards. Undefined if it does not answer, or is about to serve the plan: a shard of
   * another plan has another chain.
   */
  async #numbersOf(url: string, plan: string): Promise<Map<number, ShardMark> | undefined> {
    try {
      const { tables, plan: served } = await this.#transport.describe(url);
      if (served !== plan) return undefined;
      return new Map(
        tables.flatMap(({ shards }) =>
          shards.flatMap(({ shard, updates }) =>
            updates === undefined
              ? []
              : [[shard, { incarnation: updates.incarnation, number: BigInt(updates.number) }] as const],
          ),
        ),
      );
    } catch (error) {
      if (error instanceof FlexemrError && error.code === 'UNAVAILABLE') return undefined;
      throw error;
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all([this.#log.close(), this.#store.close(), this.#transport.close()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function reaches(found: ShardMark | undefined, wanted: ShardMark): boolean {
  return found !== undefined && found.incarnation === wanted.incarnation && found.number >= wanted.number;
}

/** How long a call may take. */
class Patience implements WriterPatience {
  readonly #ms: number;
  readonly #end: number;

  constructor(ms: number) {
    this.#ms = ms;
    this.#end = performance.now() + ms;
  }

  check(missing = 'other writers are quicker'): void {
    if (performance.now() < this.#end) return;
    const message = `the rows are not written and applied after ${this.#ms} ms: ${missing}. They may be later`;
    throw new FlexemrError('DEADLINE_EXCEEDED', message, { field: 'deadline', value: this.#ms });
  }

  async pause(tries: number): Promise<void> {
    const ms = Math.min(updatePauseMsMax, 2 ** tries) * Math.random();
    await new Promise((done) => setTimeout(done, ms));
  }
}

function changed(): FlexemrError {
  const message =
    'the cluster has changed while rows were written, so the release that is served now may not have them. Send them again';
  return new FlexemrError('CONFLICT', message, { field: 'routing' });
}
