// Writes batches of row updates to the rows of one shard, while no worker of the node reads them.
import { FlexemrError } from '../errors.ts';
import { NONE } from '../kernel/layout.ts';
import { paddingSlot } from '../store/key-index.ts';
import type { BatchRows, ChainEnd } from '../updates/batch.ts';
import { BatchCheck } from './batch-check.ts';
import { FollowedPlace } from './followed-place.ts';
import type { HostedShard } from './hosting.ts';
import { SpareRows } from './spare-rows.ts';
import type { WriterArena } from './writer-arena.ts';
import type { KeptRows, WriterGate } from './writer-gate.ts';

/** A shard whose rows change. */
export interface UpdatedShard extends Pick<HostedShard, 'arena' | 'rows' | 'index' | 'updates'> {
  /** The name of its chain of batches. */
  readonly chain: string;
  /** Its table, for messages. */
  readonly table: string;
  /** The ids of an indexed shard hash into [begin, end). */
  readonly begin: number;
  readonly end: number;
}

/**
 * `written`; a reason why it changes no row, on any node that has the shard; or `later`: workers read rows for too long, or answers
 * in progress may still read rows that it needs. Then nothing has changed, and it must be written again.
 */
export type Written = 'written' | 'later' | FlexemrError;

/** Rows that were checked and encoded, outside of the gate, and where they go. */
interface Staged {
  /** Address of packed rows in the dtype of the shard. */
  readonly from: number;
  /** Rows of the shard that they go to. */
  readonly slots: Uint32Array;
  /** New ids, and the spare rows that they get. */
  readonly newKeys: BigUint64Array;
  readonly taken: readonly number[];
  /** Ids that are removed, and their rows. */
  readonly gone: BigUint64Array;
  readonly returned: readonly number[];
  /** Whether new ids get rows of ids that the same batch removes. */
  readonly reuses: boolean;
}

const none = new BigUint64Array();

export class RowWriter {
  readonly #shard: UpdatedShard;
  readonly #arena: WriterArena;
  readonly #gate: WriterGate;
  readonly #place: FollowedPlace;
  readonly #check: BatchCheck;
  #spare: SpareRows | undefined;

  constructor(shard: UpdatedShard, arena: WriterArena, gate: WriterGate) {
    this.#shard = shard;
    this.#arena = arena;
    this.#gate = gate;
    this.#place = new FollowedPlace(arena, shard.updates);
    const { table, rows, index, begin, end } = shard;
    const { dtype, dim, rowBase } = rows;
    const range = index === 0 ? { begin: rowBase, end: rowBase + rows.rows } : { begin, end };
    this.#check = new BatchCheck({ table, dtype, dim, indexed: index !== 0, ...range }, arena);
  }

  get isReloading(): boolean {
    return this.#place.isReloading;
  }

  get followedTo(): ChainEnd {
    return this.#place.followedTo;
  }

  /**
   * From now on no worker answers from the rows. @returns answers that may still know where rows were; undefined: nothing has changed,
   * because workers read rows for too long
   */
  reload(): KeptRows | undefined {
    return this.#gate.write(() => {
      this.#place.reload();
      return this.#gate.kept;
    });
  }

  /** Whether none of these answers goes on. */
  isForgotten(kept: KeptRows): boolean {
    return this.#gate.isForgotten(kept);
  }

  /** The rows were replaced: what was known of them is not true any more. */
  replaced(): void {
    this.#spare = undefined;
  }

  /** Says which batches the rows have, and that they may be read. @returns false if workers read rows for too long */
  serve(to: ChainEnd): boolean {
    const done = this.#gate.write(() => {
      this.#place.serve(to);
      return true;
    });
    return done ?? false;
  }

  /**
   * Writes a batch, and that the rows have it.
   * @param to its place @param served whether the rows may be read afterwards
   */
  write(batch: BatchRows, dim: number, to: ChainEnd, served = true): Written {
    const staged = this.#stage(batch, dim);
    if (staged instanceof FlexemrError) return !served || this.serve(to) ? staged : 'later';
    if (staged === undefined) return 'later';
    this.#approach(staged);
    const wrote = this.#gate.write(() => {
      const { kept } = this.#gate;
      if (staged.reuses && kept.some((answers) => answers !== undefined)) return false;
      // If this thread dies here, whoever comes next finds a shard that must be reloaded.
      this.#place.reload();
      this.#change(staged);
      if (served) this.#place.serve(to);
      this.#spare?.giveBack(staged.returned, kept);
      return true;
    });
    if (wrote) return 'written';
    this.#spare?.putBack(staged.taken);
    return 'later';
  }

  /** The rows come to the caches of this processor before lookups have to wait. */
  #approach({ slots }: Staged): void {
    const { kernels, words, slots: at } = this.#arena;
    const { rowBytes, address } = this.#shard.rows;
    words.set(slots, at >>> 2);
    kernels.approachRows(at, slots.length, rowBytes, address);
  }

  #change({ from, slots, newKeys, gone }: Staged): void {
    const { kernels, words, longs, scratch, ...at } = this.#arena;
    const { rows, index } = this.#shard;
    if (gone.length > 0) {
      longs.set(gone, at.keys >>> 3);
      kernels.indexRemove(index, at.keys, at.newSlots, gone.length, scratch);
    }
    kernels.scatterRows(from, at.slots, slots.length, rows.rowBytes, rows.address);
    if (newKeys.length === 0) return;
    longs.set(newKeys, at.newKeys >>> 3);
    words.set(slots.subarray(slots.length - newKeys.length), at.newSlots >>> 2);
    const status = kernels.indexInsert(index, at.newKeys, at.newSlots, newKeys.length, scratch);
    if (status !== 0) throw new RangeError(`the index of a shard of ${this.#shard.table} has no space`);
  }

  /** @returns undefined if answers in progress may still read rows that it needs */
  #stage(batch: BatchRows, dim: number): Staged | FlexemrError | undefined {
    const refused = this.#check.refuses(batch, dim);
    if (refused) return refused;
    return this.#shard.index === 0 ? this.#stageRows(batch) : this.#stageIds(batch);
  }

  #stageRows({ keys, rows }: BatchRows): Staged | FlexemrError {
    const { rowBase } = this.#shard.rows;
    const slots = Uint32Array.from(keys, (key) => Number(key) - rowBase);
    const from = this.#check.encode(rows, keys.length);
    if (from instanceof FlexemrError) return from;
    return { from, slots, newKeys: none, taken: [], gone: none, returned: [], reuses: false };
  }

  #stageIds(batch: BatchRows): Staged | FlexemrError | undefined {
    const { index, rows } = this.#shard;
    this.#spare ??= new SpareRows(this.#arena, index, rows.rows, this.#gate);
    const found = this.#arena.find(index, batch.deletes);
    // An id that is not there needs no removal. The padding id has no row, and keeps its meaning.
    const isRow = (_: unknown, i: number): boolean => found[i] !== NONE && found[i] !== paddingSlot;
    const gone = batch.deletes.filter(isRow);
    const returned = [...found.filter(isRow)];
    const slots = this.#arena.find(index, batch.keys).slice();
    const known: number[] = [];
    const added: number[] = [];
    const padded: number[] = [];
    for (const [i, slot] of slots.entries())
      if (slot === NONE) added.push(i);
      else (slot === paddingSlot ? padded : known).push(i);
    const more = added.length - this.#spare.count - gone.length;
    if (more > 0)
      return this.#check.refusal('LIMIT_EXCEEDED', `it needs ${more} more rows than are free`, added.length);
    const { dim } = rows;
    const ordered = new Float32Array(batch.rows.length);
    for (const [to, i] of [...known, ...added, ...padded].entries())
      ordered.set(batch.rows.subarray(i * dim, (i + 1) * dim), to * dim);
    const from = this.#check.encode(ordered, batch.keys.length);
    if (from instanceof FlexemrError) return from;
    const own = Math.max(0, added.length - this.#spare.count);
    const taken = this.#spare.take(added.length - own);
    if (taken === undefined) return undefined;
    const reused = returned.splice(0, own);
    return {
      ...{ from, taken, gone, returned, reuses: own > 0 },
      slots: Uint32Array.from([...known.map((i) => slots[i]), ...taken, ...reused]),
      newKeys: BigUint64Array.from(added, (i) => batch.keys[i]),
    };
  }
}
