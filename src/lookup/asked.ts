// One lookup in memory (kernel/ask-layout.ts): its bags, and the frames that ask for them.
import { FlexemrError, invalidAt } from '../errors.ts';
import * as layout from '../kernel/ask-layout.ts';
import { type MissingPolicy, missingCodes } from '../kernel/call.ts';
import { BAD_KEY, BAD_OFFSETS, DONE, MORE } from '../kernel/layout.ts';
import { keysAtOnceMax } from '../limits.ts';
import type { KeyedBags } from '../plan/bags.ts';
import { type AskedRoom, alignUp, askedRoom } from './asked-room.ts';
import { type BagReader, checkAll, type FeatureNames, overwritten, type TableFinder } from './bag-reader.ts';
import { writeBags } from './bag-writer.ts';
import type { LookupMemory } from './lookup-memory.ts';
import type { LookupTable } from './lookup-table.ts';
import type { PlanMemory } from './plan-memory.ts';

/** `auto` decides by bytes. */
export type PushDown = 'auto' | 'always' | 'never';

const pushDownCodes: Record<PushDown, number> = {
  auto: layout.PUSH_AUTO,
  always: layout.PUSH_ALWAYS,
  never: layout.PUSH_NEVER,
};

/** Options of a lookup that apply to all its features. */
export interface AskOptions {
  readonly onMissing: MissingPolicy | undefined;
  readonly pushDown: PushDown;
  /** Bags of a feature that are equal are sent and pooled once. */
  readonly deduplicateBags: boolean;
  /** Whole tables are divided into segments of about so many keys, each in a frame of its own. 0: they are not. */
  readonly splitKeys: number;
}

/** One lookup in memory. */
export class AskedLookup {
  readonly memory: LookupMemory;
  readonly plan: PlanMemory;
  readonly names: FeatureNames;
  readonly tables: readonly LookupTable[];
  /** The address of its block. */
  readonly block: number;
  readonly #bytes: number;
  /** Ids that became row numbers, by feature. */
  readonly #ids: ReadonlyMap<number, BigUint64Array | BigInt64Array> | undefined;
  #open = true;

  /** Bytes of memory that the bags of a reader need. */
  static room(reader: BagReader, options: AskOptions, nodes: number, cached = false): AskedRoom {
    const { pushDown, deduplicateBags: deduplicates, splitKeys } = options;
    return askedRoom(reader, { fetches: pushDown !== 'always', deduplicates, cached, nodes, splitKeys });
  }

  /**
   * Copies the bags of a reader. Their caller may then use the arrays for something else.
   * @param block address of `room.bytes` bytes
   */
  constructor(plan: PlanMemory, reader: BagReader, options: AskOptions, block: number, room: AskedRoom) {
    const { memory } = plan;
    const { segments, input, work, bytes } = room;
    this.memory = memory;
    this.plan = plan;
    this.names = reader.names;
    this.tables = reader.shape;
    this.#ids = reader.takeIds();
    this.block = block;
    this.#bytes = bytes;
    const segmentList = this.#features + reader.count * layout.FEATURE_BYTES;
    const inputAt = alignUp(segmentList + segments * layout.ASKED_BYTES);
    memory.words.fill(0, block >>> 2, segmentList >>> 2);
    this.set(layout.ASK_PLAN, plan.address);
    this.set(layout.ASK_FEATURES, reader.count);
    this.set(layout.ASK_FEATURE_LIST, this.#features);
    this.set(layout.ASK_MISSING, options.onMissing === undefined ? 0 : missingCodes[options.onMissing] + 1);
    this.set(layout.ASK_SENDS_REPEATS, Number(!options.deduplicateBags));
    this.set(layout.ASK_SPLIT_KEYS, options.splitKeys);
    this.set(layout.ASK_PUSH_DOWN, pushDownCodes[options.pushDown]);
    this.set(layout.ASK_SEGMENT_LIST, segmentList);
    this.set(layout.ASK_NEXT, inputAt + input);
    this.set(layout.ASK_END, block + bytes - work);
    this.set(layout.ASK_WORK, block + bytes - work);
    writeBags(plan, reader, this.#features, inputAt);
  }

  get #features(): number {
    return this.block + layout.ASK_BYTES;
  }

  /** A field of its block. */
  at(field: number): number {
    return this.memory.words[(this.block + field) >>> 2];
  }

  set(field: number, value: number): void {
    this.memory.words[(this.block + field) >>> 2] = value;
  }

  /**
   * Checks the form of the bags, and closes the lookup if it is wrong. @param bags as their caller gave them
   * @throws INVALID_OFFSETS, INVALID_WEIGHTS
   */
  open(bags: KeyedBags, tableOf: TableFinder): void {
    const status = this.memory.kernels.openAsk(this.block);
    if (status === DONE) return;
    const feature = this.at(layout.ASK_ERROR_FEATURE);
    this.close();
    if (status !== BAD_OFFSETS) throw this.tables[feature].takesNoWeights(this.names.list[feature]);
    checkAll(bags, tableOf);
    throw overwritten();
  }

  /**
   * Prepares the frames, as far as one call goes. @returns whether they are ready
   * @throws INVALID_KEY, INVALID_OPTION, LIMIT_EXCEEDED
   */
  prepare(): boolean {
    const status = this.memory.kernels.ask(this.block, keysAtOnceMax);
    if (status === DONE) return true;
    if (status === MORE) return false;
    const feature = this.at(layout.ASK_ERROR_FEATURE);
    const position = this.at(layout.ASK_ERROR_POSITION);
    if (status === layout.BAD_POLICY) throw this.tables[feature].noDefaultRow();
    if (status === BAD_KEY) throw this.badKey(feature, position, this.errorValue);
    throw status === layout.TOO_LARGE ? this.#tooLarge(this.tables[feature], position) : overwritten();
  }

  /** The error for a key that has no row. @param key as a u64 */
  badKey(feature: number, position: number, key: bigint): FlexemrError {
    const field = `${this.names.list[feature]}.keys`;
    const given = this.#ids?.get(feature)?.[position] ?? this.#asGiven(feature, key);
    return invalidAt('INVALID_KEY', field, position, given, this.tables[feature].whyNoRow);
  }

  /** A key as its caller gave it. */
  #asGiven(feature: number, key: bigint): number | bigint {
    const kind = this.feature(feature, layout.FEATURE_KEY_KIND);
    if (kind === layout.KEYS_NUMBERS) return Number(key);
    return kind === layout.KEYS_SIGNED ? BigInt.asIntN(64, key) : key;
  }

  #tooLarge({ spec }: LookupTable, limit: number): FlexemrError {
    const segment = this.at(layout.ASK_ERROR_SEGMENT);
    const [node, shard, value] = [this.nodeOf(segment), this.shardOf(segment), Number(this.errorValue)];
    const unit = units.get(limit) ?? 'keys';
    const message = `the bags of table ${spec.name} need ${value} ${unit} for memory node ${node}, which is more than its limit for one subrequest; split the batch`;
    return new FlexemrError('LIMIT_EXCEEDED', message, { node, shard, value });
  }

  get errorValue(): bigint {
    return this.memory.longs[(this.block + layout.ASK_ERROR_VALUE) >>> 3];
  }

  /** A field of a feature's record. */
  feature(feature: number, field: number): number {
    return this.memory.words[(this.#features + feature * layout.FEATURE_BYTES + field) >>> 2];
  }

  setFeature(feature: number, field: number, value: number): void {
    this.memory.words[(this.#features + feature * layout.FEATURE_BYTES + field) >>> 2] = value;
  }

  /** A field of a segment's record. */
  segment(segment: number, field: number): number {
    const list = this.at(layout.ASK_SEGMENT_LIST);
    return this.memory.words[(list + segment * layout.ASKED_BYTES + field) >>> 2];
  }

  /** Address of the record of a frame. */
  frame(frame: number): number {
    return this.at(layout.ASK_FRAME_LIST) + frame * layout.SENT_RECORD_BYTES;
  }

  /** A field of a frame's record. */
  sent(frame: number, field: number): number {
    return this.memory.words[(this.frame(frame) + field) >>> 2];
  }

  /** The number of the frame that a segment is in. */
  frameOf(segment: number): number {
    const list = this.at(layout.ASK_FRAME_LIST);
    return (this.segment(segment, layout.ASKED_FRAME) - list) / layout.SENT_RECORD_BYTES;
  }

  /** The number of the shard of a segment, and the node that holds it. */
  shardOf(segment: number): number {
    return this.#place(segment, layout.PLACE_NUMBER);
  }

  nodeOf(segment: number): string {
    return this.plan.nodes[this.#place(segment, layout.PLACE_NODE)];
  }

  #place(segment: number, field: number): number {
    return this.memory.words[(this.segment(segment, layout.ASKED_PLACE) + field) >>> 2];
  }

  /** The segments of a frame, in its order. */
  segmentsOf(frame: number): number[] {
    const all = Array.from({ length: this.segments }, (_, i) => i);
    return all.filter((segment) => this.frameOf(segment) === frame);
  }

  /** The keys that a frame carries for a segment, u32 or u64 as pairs of u32 words. */
  keysOf(segment: number): Uint32Array {
    const unique = this.segment(segment, layout.ASKED_UNIQUE);
    const count = this.segment(segment, unique ? layout.ASKED_UNIQUE_COUNT : layout.ASKED_KEY_COUNT);
    const { indexed } = this.tableOf(segment);
    const at = (unique || this.segment(segment, layout.ASKED_KEYS)) >>> 2;
    return this.memory.words.slice(at, at + (indexed ? 2 * count : count));
  }

  /** The position, among the keys that were given, of a key that was sent for a segment. */
  positionOf(segment: number, key: number): number {
    return this.memory.kernels.positionOf(this.block, segment, key);
  }

  /** The table of a segment. */
  tableOf(segment: number): LookupTable {
    return this.tables[this.segment(segment, layout.ASKED_FEATURE)];
  }

  /** The bags of a segment that were sent; for mode `none`, its keys. */
  bagsOf(segment: number): Uint32Array {
    const count = this.segment(segment, layout.ASKED_RESULTS);
    const numbers = this.segment(segment, layout.ASKED_BAG_NUMBERS) >>> 2;
    if (numbers === 0) return Uint32Array.from({ length: count }, (_, i) => i);
    return this.memory.words.slice(numbers, numbers + count);
  }

  /** The results of a feature that are of some of the bags that were sent, in order. */
  resultsOf(feature: number, bags: ReadonlySet<number>): Uint32Array {
    const inverse = this.feature(feature, layout.FEATURE_INVERSE) >>> 2;
    if (inverse === 0) return Uint32Array.from(bags).sort();
    const results = this.feature(feature, layout.FEATURE_RESULTS);
    const all = Uint32Array.from({ length: results }, (_, i) => i);
    return all.filter((result) => bags.has(this.memory.words[inverse + result]));
  }

  /** Number of frames, of segments, of segments whose rows are fetched, and of bags that repeat an earlier bag. */
  get frames(): number {
    return this.at(layout.ASK_FRAMES);
  }

  get segments(): number {
    return this.at(layout.ASK_SEGMENTS);
  }

  get fetched(): number {
    return this.at(layout.ASK_FETCHED);
  }

  get repeated(): number {
    return this.at(layout.ASK_REPEATED);
  }

  /** The end of everything that it has in memory. */
  get end(): number {
    return Math.max(this.block + this.#bytes, this.plan.address + this.plan.bytes);
  }

  /** Copies everything that it has in memory to the same addresses of another memory. */
  copyTo({ bytes }: LookupMemory): void {
    for (const [begin, length] of [
      [this.plan.address, this.plan.bytes],
      [this.block, this.#bytes],
    ])
      bytes.set(this.memory.bytes.subarray(begin, begin + length), begin);
  }

  /** Whether its memory is still in use. */
  get isOpen(): boolean {
    return this.#open;
  }

  /** Frees its memory. */
  close(): void {
    if (this.#open) this.memory.slots.free(this.block, this.#bytes);
    this.#open = false;
  }
}

/** What the limit of a node counts. */
const units: ReadonlyMap<number, string> = new Map([
  [layout.NODE_SUBREQUEST_BYTES, 'bytes'],
  [layout.NODE_REPLY_BYTES, 'bytes of reply'],
]);
