import { ASK_CACHE } from '../kernel/ask-layout.ts';
import type { RankerKernels } from '../kernel/kernels.ts';
import { CHECKSUM_BYTES } from '../kernel/layout.ts';
import { instantiate } from '../kernel/wasm.ts';
import { checksumWindowBytes, wasmPageBytes, workspaceShare } from '../limits.ts';
import type { KeyedBags } from '../plan/bags.ts';
import { BufferPool } from '../store/buffer-pool.ts';
import { FreeList, roundUp } from '../store/free-list.ts';
import { HEADER_BYTES } from '../wire/layout.ts';
import { AskedLookup, type AskOptions } from './asked.ts';
import { BagReader, outOfMemory, type TableFinder } from './bag-reader.ts';
import { CacheMemory, type CacheSettings, type CacheStats } from './cache-memory.ts';
import { type KeyTicks, keyTicksBytes } from './key-ticks.ts';
import type { LookupMemory } from './lookup-memory.ts';
import type { MergeRoom } from './merged.ts';
import { type LookupPlan, type NodeState, PlanMemory, planBytes } from './plan-memory.ts';

/** Kernels, and whether they need shared memory. */
export interface KernelModule {
  readonly module: WebAssembly.Module;
  readonly shared: boolean;
}

/** Memory of a fixed size, and kernels that work on it. Addresses and views stay valid as long as it exists. */
class FixedMemory implements LookupMemory {
  readonly kernels: RankerKernels;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly floats: Float32Array;
  readonly longs: BigUint64Array;
  readonly slots: FreeList;

  /** @throws RangeError if the system has no memory */
  constructor({ module, shared }: KernelModule, bytes: number) {
    const pages = Math.ceil(bytes / wasmPageBytes);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
    this.kernels = instantiate(module, memory);
    this.bytes = new Uint8Array(memory.buffer);
    this.words = new Uint32Array(memory.buffer);
    this.floats = new Float32Array(memory.buffer);
    this.longs = new BigUint64Array(memory.buffer);
    // The first 64 bytes stay free, so that address 0 can mean "none".
    this.slots = new FreeList(64, pages * wasmPageBytes);
  }
}

/** A plan, its copy in a workspace if there is one, and the states of its nodes. */
export interface WrittenPlan {
  readonly plan: LookupPlan;
  readonly tableOf: TableFinder;
  readonly written: PlanMemory | undefined;
  readonly states: readonly NodeState[];
}

const noCache: CacheSettings = { bytes: 0, bytesMax: 0, pins: 0, admitsAll: false, followed: false };

function note(plan: PlanMemory, states: readonly NodeState[]): void {
  for (let i = 0; i < states.length; i++) plan.setNode(i, states[i]);
}

/**
 * The memory of many lookups. They share one memory of a fixed size. A lookup that does not fit there gets a memory of
 * its own, so a large lookup does not make the workspace larger for ever.
 */
export class Workspace {
  /** Memory for results. */
  readonly pool: BufferPool = new BufferPool();
  readonly #reader: BagReader = new BagReader();
  readonly #module: KernelModule;
  readonly #bytesMax: number;
  readonly #shared: FixedMemory;
  /** Address of the state of a checksum, and of a window of a frame. */
  readonly #sums: number;
  readonly #window: number;
  #cacheSettings: CacheSettings;
  #cache: CacheMemory | undefined;

  /**
   * @param bytesMax most bytes of one lookup, already checked
   * @param cache in the memory that lookups share; of 0 bytes: there is none
   */
  constructor(module: KernelModule, bytesMax: number, cache: CacheSettings = noCache) {
    this.#module = module;
    this.#bytesMax = bytesMax;
    this.#cacheSettings = { ...cache, bytes: roundUp(cache.bytes), bytesMax: roundUp(cache.bytesMax) };
    const followed = cache.followed ? keyTicksBytes : 0;
    const fixed = 64 + CHECKSUM_BYTES + 64 + checksumWindowBytes + this.#cacheSettings.bytesMax + followed;
    this.#shared = new FixedMemory(module, fixed + Math.ceil(bytesMax * workspaceShare));
    this.#sums = this.#shared.slots.allocate(CHECKSUM_BYTES) ?? 0;
    this.#window = this.#shared.slots.allocate(checksumWindowBytes) ?? 0;
  }

  /** Writes a plan to the shared memory. Returns undefined if there is no space: then every lookup writes it anew. */
  write(plan: LookupPlan): PlanMemory | undefined {
    return PlanMemory.write(this.#shared, plan);
  }

  /** Makes the cache, if it has bytes. @param plan tables whose entries have the usual sizes */
  openCache(plan: LookupPlan): void {
    if (this.cacheBytes > 0) this.#cache = new CacheMemory(this.#shared, this.#cacheSettings, plan);
  }

  /** Pins entries of the pinned tables of a plan, and no others. */
  pin(plan: LookupPlan): void {
    this.#cache?.pin(plan);
  }

  /** Takes over the entries of the cache of another workspace (CacheMemory.adopt). */
  *adopt(other: Workspace): Generator<void> {
    if (this.#cache !== undefined && other.#cache !== undefined) yield* this.#cache.adopt(other.#cache);
  }

  /** Whether its cache can become so large where it is. */
  canGrow(bytes: number): boolean {
    return bytes >= this.cacheBytes && bytes <= this.#cacheSettings.bytesMax;
  }

  /** Lets its cache grow (CacheMemory.grow). */
  *grow(bytes: number): Generator<void> {
    this.#cacheSettings = { ...this.#cacheSettings, bytes: roundUp(bytes) };
    if (this.#cache !== undefined) yield* this.#cache.grow(this.cacheBytes);
  }

  /** Bytes of its cache. */
  get cacheBytes(): number {
    return this.#cacheSettings.bytes;
  }

  /** Bytes of it that were ever written. */
  get cacheTouchedBytes(): number {
    return this.#cache?.touchedBytes ?? 0;
  }

  /** Which keys were updated. Undefined: the cache has no entries of tables that take updates. */
  get keyTicks(): KeyTicks | undefined {
    return this.#cache?.keyTicks;
  }

  /** Undefined: there is no cache. */
  get cacheStats(): CacheStats | undefined {
    return this.#cache?.stats;
  }

  /**
   * Copies the bags of a lookup, and checks their form.
   * @throws UNKNOWN_TABLE, INVALID_BAGS, INVALID_KEY, INVALID_OFFSETS, INVALID_WEIGHTS, LIMIT_EXCEEDED, OUT_OF_MEMORY
   */
  ask(bags: KeyedBags, options: AskOptions, plan: WrittenPlan): AskedLookup {
    this.#reader.read(bags, plan.tableOf);
    const asked = this.#copy(this.#reader, options, plan);
    this.#reader.clear();
    asked.open(bags, plan.tableOf);
    return asked;
  }

  /** Copies the bags of a reader, and notes the state of the nodes. @throws OUT_OF_MEMORY */
  #copy(reader: BagReader, options: AskOptions, plan: WrittenPlan): AskedLookup {
    // With a cache, a lookup needs memory for all of its vectors. A lookup that has no space for them uses no cache.
    const cached = this.#cache && this.#copyShared(reader, options, plan, this.#cache);
    return cached ?? this.#copyShared(reader, options, plan) ?? this.#copyAlone(reader, options, plan);
  }

  /** As `#copy`, to the memory that lookups share. Undefined: there is no space. */
  #copyShared(
    reader: BagReader,
    options: AskOptions,
    { plan, written, states }: WrittenPlan,
    cache?: CacheMemory,
  ): AskedLookup | undefined {
    if (written === undefined) return undefined;
    const room = AskedLookup.room(reader, options, plan.nodes.length, cache !== undefined);
    const block = this.#shared.slots.allocate(room.bytes);
    if (block === undefined) return undefined;
    note(written, states);
    const asked = new AskedLookup(written, reader, options, block, room);
    if (cache !== undefined) asked.set(ASK_CACHE, cache.address);
    return asked;
  }

  /** As `#copy`, to a memory for this lookup only. */
  #copyAlone(reader: BagReader, options: AskOptions, { plan, states }: WrittenPlan): AskedLookup {
    const room = AskedLookup.room(reader, options, plan.nodes.length);
    const memory = this.#own(roundUp(room.bytes) + roundUp(planBytes(plan)), 64);
    const written = PlanMemory.write(memory, plan);
    const block = memory.slots.allocate(room.bytes);
    if (written === undefined || block === undefined)
      throw new RangeError(`a memory for ${room.bytes} bytes has no space for them`);
    note(written, states);
    return new AskedLookup(written, reader, options, block, room);
  }

  /** A memory for one lookup. @param unused bytes at its begin that are not counted @throws OUT_OF_MEMORY */
  #own(bytes: number, unused: number): FixedMemory {
    if (bytes > this.#bytesMax) throw outOfMemory(bytes, this.#bytesMax);
    try {
      return new FixedMemory(this.#module, unused + bytes);
    } catch (cause) {
      throw outOfMemory(bytes, this.#bytesMax, cause);
    }
  }

  /**
   * Memory for the merge of a lookup. If there is no space in the memory of the lookup, everything that the lookup has
   * there is copied to the same addresses of a larger memory. @throws OUT_OF_MEMORY
   */
  readonly mergeRoom = (asked: AskedLookup, bytes: number): MergeRoom => {
    const { memory } = asked;
    if (bytes > this.#bytesMax) throw outOfMemory(bytes, this.#bytesMax);
    const address = memory.slots.allocate(bytes);
    if (address !== undefined) return { memory, address, free: () => memory.slots.free(address, bytes) };
    const larger = this.#own(bytes, roundUp(asked.end));
    asked.copyTo(larger);
    // The cache is in the other memory.
    larger.words[(asked.block + ASK_CACHE) >>> 2] = 0;
    return { memory: larger, address: roundUp(asked.end), free: () => {} };
  };

  /** The checksum (assembly/checksum.ts) of a frame outside this memory, which is copied in one window at a time. */
  checksum(frame: Uint8Array): number {
    const { bytes, kernels } = this.#shared;
    if (frame.length <= checksumWindowBytes) {
      bytes.set(frame, this.#window);
      return kernels.checksum(this.#sums, this.#window, frame.length) >>> 0;
    }
    bytes.fill(0, this.#sums, this.#sums + CHECKSUM_BYTES);
    for (let at = HEADER_BYTES; at < frame.length; at += checksumWindowBytes) {
      const piece = frame.subarray(at, at + checksumWindowBytes);
      bytes.set(piece, this.#window);
      kernels.checksumAdd(this.#sums, this.#window, piece.length);
    }
    bytes.set(frame.subarray(0, HEADER_BYTES), this.#window);
    return kernels.checksumEnd(this.#sums, this.#window) >>> 0;
  }
}
