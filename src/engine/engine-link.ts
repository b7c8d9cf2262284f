import { FlexemrError } from '../errors.ts';
import { errorOf, type Failure } from '../failure.ts';
import { AnsweredUpdates } from '../lookup/answered-updates.ts';
import { type Lookup, PooledLookup } from '../lookup/pooled.ts';
import type { KeyedBags } from '../plan/bags.ts';
import type { BufferPool } from '../store/buffer-pool.ts';
import { type AskedFeatures, askedFeatures } from './asked-features.ts';
import { BagsFrame } from './bags-frame.ts';
import type { EngineControl, RunningEngine, SentResults } from './engine-control.ts';
import { cancelRecord, type EngineMemory, type EngineUse, lookupRecord } from './engine-memory.ts';
import { noTextOptions, noTexts, type TextOptions, writeHead } from './request-head.ts';
import { type ResultsMemory, readResults } from './results-frame.ts';
import type { KnownShape, Shapes } from './shapes.ts';
import { SharedResults } from './shared-results.ts';
import type { SlotPool } from './slot-pool.ts';

/** A lookup that an engine is asked for. */
export interface LinkRequest {
  readonly bags: KeyedBags;
  readonly options: TextOptions;
  /** Milliseconds since 1970. */
  readonly deadlineAt: number;
  readonly cancellable: boolean;
}

/** What the links of a ranker share. */
export interface LinkShared {
  readonly shapes: Shapes;
  /** Memory for results. */
  readonly pool: BufferPool;
  /** The error of bags that cannot be sent to another thread. */
  readonly explain: (bags: KeyedBags, cause: Error) => Error;
}

/** A lookup that an engine has. */
export interface Pending {
  readonly id: number;
  readonly found: Promise<Lookup>;
}

interface Waiting extends Pending {
  readonly features: AskedFeatures;
  readonly address: number;
  readonly bytes: number;
  readonly deadlineAt: number;
  readonly resolve: (found: Lookup) => void;
  readonly reject: (error: Error) => void;
  /** Nobody waits for it any more. */
  abandoned: boolean;
}

const frame = new BagsFrame();
const utf8 = new TextEncoder();

/** The application's end of one engine: the lookups that it has, and the memory of their bags. */
export class EngineLink {
  readonly #place: number;
  readonly #memory: EngineMemory;
  readonly #engine: RunningEngine;
  readonly #shared: LinkShared;
  readonly #slots: SlotPool;
  readonly #results: SharedResults;
  readonly #waiting = new Map<number, Waiting>();
  /** No id is used again soon: lookups and their cancels may come to the engine in another order. */
  #lastId = 0;

  constructor(place: number, memory: EngineMemory, engine: RunningEngine, shared: LinkShared) {
    this.#place = place;
    this.#memory = memory;
    this.#engine = engine;
    engine.hold(false);
    this.#shared = shared;
    this.#slots = memory.requestSlots();
    this.#results = new SharedResults(memory);
  }

  get control(): EngineControl {
    return this.#engine.control;
  }

  get stats(): Float64Array {
    return this.#memory.stats;
  }

  get use(): EngineUse {
    return this.#memory.use;
  }

  /** Lookups that it has. */
  get load(): number {
    return this.#waiting.size;
  }

  /** Hands a lookup over. */
  begin(request: LinkRequest): Pending {
    const { bags } = request;
    // All results may have come as messages, for want of the memory that these give back.
    this.#results.flush();
    const shape = this.#memory.toEngine.isFull ? undefined : this.#shared.shapes.of(bags);
    const pending = shape !== undefined && frame.read(bags) ? this.#write(request, shape) : undefined;
    frame.clear();
    return pending ?? this.#send(request);
  }

  /** @returns undefined if there is no memory for it now */
  #write({ options, deadlineAt, cancellable }: LinkRequest, shape: KnownShape): Pending | undefined {
    const { words, toEngine, bell } = this.#memory;
    const isNew = !shape.told.has(this.#place);
    const texts =
      isNew || options !== noTextOptions
        ? { shape: isNew ? shape.text : undefined, options: textOf(options) }
        : noTexts;
    const bytes = frame.bytes + (texts.shape?.length ?? 0) + (texts.options?.length ?? 0);
    const address = this.#slots.allocate(bytes);
    if (address === undefined) return undefined;
    frame.write(words, address >>> 2);
    writeHead(this.#memory, address, frame.bytes, { shape: shape.id, deadlineAt, cancellable }, texts);
    shape.told.add(this.#place);
    const pending = this.#wait(shape.features, deadlineAt, address, bytes);
    toEngine.give(lookupRecord, pending.id, address, bytes);
    bell.ring();
    return pending;
  }

  /** Sends a lookup as a message, which takes any bags. */
  #send({ bags, options, deadlineAt }: LinkRequest): Pending {
    const names = Object.keys(bags);
    const tables = names.map((name) => bags[name]?.table);
    const pending = this.#wait(askedFeatures(names, tables), deadlineAt);
    const { id } = pending;
    this.control
      .lookUp({ id, bags, options, deadlineAt })
      .catch((cause: Error) => this.#end(id)?.reject(this.#shared.explain(bags, cause)));
    return pending;
  }

  #wait(features: AskedFeatures, deadlineAt: number, address = 0, bytes = 0): Pending {
    this.#lastId = (this.#lastId + 1) & idMax;
    const id = this.#lastId;
    const { promise: found, resolve, reject } = Promise.withResolvers<Lookup>();
    const waiting = { id, found, features, address, bytes, deadlineAt, resolve, reject, abandoned: false };
    this.#waiting.set(id, waiting);
    if (this.#waiting.size === 1) this.#engine.hold(true);
    return waiting;
  }

  /** Nobody waits for a lookup any more. Its memory stays in use until the engine has answered. */
  cancel(id: number): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined || waiting.abandoned) return;
    waiting.abandoned = true;
    // If the ring is full, the lookup goes on until its deadline.
    if (this.#memory.toEngine.give(cancelRecord, id, 0, 0)) this.#memory.bell.ring();
  }

  /** Takes the results that have come. */
  take(): void {
    this.#results.flush();
    this.#memory.fromEngine.takeAll(this.#taken);
  }

  /** Whether there are results to take. */
  get isEmpty(): boolean {
    return this.#memory.fromEngine.isEmpty;
  }

  readonly #taken = (_: number, id: number, address: number, bytes: number): void => {
    const waiting = this.#end(id);
    if (waiting === undefined) return;
    const results =
      bytes < this.#memory.sharedResultBytes ? this.#copy(address, bytes) : this.#results.at(address, bytes);
    if (waiting.abandoned) results.release();
    else waiting.resolve(readResults(results, waiting.features, this.#shared.pool));
  };

  #copy(address: number, bytes: number): ResultsMemory {
    const results = this.#shared.pool.take(bytes);
    results.bytes.set(this.#memory.bytes.subarray(address, address + bytes));
    return results;
  }

  answered({ id, results, replies, failures, incomplete, updates: words }: SentResults): void {
    const waiting = this.#end(id);
    if (waiting === undefined) return;
    const merged = this.#shared.pool.take(results.length);
    merged.bytes.set(results);
    const held = replies.map((bytes) => (bytes === undefined ? undefined : { bytes, release: () => {} }));
    const errors = failures.map((failure) => errorOf(failure) as FlexemrError);
    const { names, tableOf } = waiting.features;
    const updates = new AnsweredUpdates(words, tableOf);
    const notes = { failures: errors, incomplete, updates };
    waiting.resolve(new PooledLookup(names, { results: merged, pool: this.#shared.pool }, held, notes));
  }

  failed(id: number, failure: Failure): void {
    this.#end(id)?.reject(errorOf(failure));
  }

  #end(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#engine.hold(false);
    if (waiting.bytes === 0) return waiting;
    this.#slots.free(waiting.address, waiting.bytes);
    return waiting;
  }

  /** Ends the lookups whose deadline passed before a moment, in milliseconds since 1970. */
  expire(before: number): void {
    for (const waiting of this.#waiting.values()) {
      if (waiting.abandoned || waiting.deadlineAt >= before) continue;
      const message = 'the engine has not ended the lookup at its deadline';
      waiting.reject(new FlexemrError('DEADLINE_EXCEEDED', message, { field: 'deadline' }));
      this.cancel(waiting.id);
    }
  }

  /** The engine has ended, or is going to. */
  lost(error: Error): void {
    for (const id of [...this.#waiting.keys()]) this.#end(id)?.reject(error);
  }
}

/** Records have 32 bits for an id. */
const idMax = 0x7fffffff;

function textOf(options: TextOptions): Uint8Array | undefined {
  return options === noTextOptions ? undefined : utf8.encode(JSON.stringify(options, withDigits));
}

/** JSON has no bigint. */
function withDigits(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}
