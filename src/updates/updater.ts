import { FlexemrError } from '../errors.ts';
import type { RoutingTable } from '../plan/routing-table.ts';
import type { Hasher } from '../store/id-hashes.ts';
import type { ChainPosition } from './batch.ts';
import { chainName } from './chain-name.ts';
import { ChainWriter, type WriterPatience } from './chain-writer.ts';
import { cutUpdates, type RowUpdates, type ShardUpdates } from './row-updates.ts';
import { SharedRead } from './shared-read.ts';
import type { UpdateLog } from './update-log.ts';

/** Where a shard is in its chain, after an update. */
export interface ShardMark {
  readonly incarnation: number;
  readonly number: bigint;
}

/** What a reader asks for to see updates: by table, and by the number of each shard in the routing table. */
export type UpdateMark = Readonly<Record<string, Readonly<Record<number, ShardMark>>>>;

/** Writes row updates to a log, one call after the other. */
export class Updater {
  readonly #log: UpdateLog;
  readonly #hasher: Hasher;
  readonly #incarnation: SharedRead<number>;
  readonly #chains = new Map<string, ChainWriter>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(log: UpdateLog, hasher: Hasher) {
    this.#log = log;
    this.#hasher = hasher;
    this.#incarnation = new SharedRead(() => log.incarnation());
  }

  /**
   * @returns once the log has them @throws UNKNOWN_TABLE, INVALID_TABLE, INVALID_KEY, INVALID_BAGS: then nothing is written; UPDATES_LOST,
   *   UNAVAILABLE, UNAUTHORIZED, DEADLINE_EXCEEDED: then some of them may be
   */
  async write(routing: RoutingTable, updates: RowUpdates, patience: WriterPatience): Promise<UpdateMark> {
    const cut = cutUpdates(routing, updates, this.#hasher);
    const done = this.#turn.then(() => this.#write(cut, patience));
    this.#turn = done.catch(() => {});
    return await done;
  }

  async #write(cut: readonly ShardUpdates[], patience: WriterPatience): Promise<UpdateMark> {
    const outcomes = await Promise.allSettled(
      cut.map((updates) => this.#chainOf(updates).write(updates, updates.planned.table.spec.dim, patience)),
    );
    const failures = outcomes.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
    if (failures.length > 0) throw together(failures);
    const positions = outcomes.map((each) => (each as PromiseFulfilledResult<ChainPosition>).value);
    const mark: Record<string, Record<number, ShardMark>> = {};
    for (const [i, { planned }] of cut.entries()) {
      const { incarnation, number }: ChainPosition = positions[i];
      mark[planned.table.spec.name] ??= {};
      mark[planned.table.spec.name][planned.number] = { incarnation, number };
    }
    return mark;
  }

  #chainOf({ planned }: ShardUpdates): ChainWriter {
    const name = chainName(planned);
    let writer = this.#chains.get(name);
    if (writer === undefined) {
      writer = new ChainWriter(this.#log, name, this.#incarnation);
      this.#chains.set(name, writer);
    }
    return writer;
  }
}

/** One error for all. What was lost is said once, so none of it may be left out. */
function together(failures: readonly unknown[]): unknown {
  const lost = failures.filter(
    (each): each is FlexemrError => each instanceof FlexemrError && each.code === 'UPDATES_LOST',
  );
  if (lost.length < 2) return lost[0] ?? failures[0];
  const [{ code, field, value }] = lost;
  return new FlexemrError(code, lost.map(({ message }) => message).join('; '), { field, value });
}
