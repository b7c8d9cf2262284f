// Two equal caches of bags of one key in one memory, and a lookup for each: one for our kernels, one for native code.
import asc from 'assemblyscript/asc';
import { options } from '../../assembly/build.ts';
import * as ask from '../../src/kernel/ask-layout.ts';
import * as cache from '../../src/kernel/cache-layout.ts';
import { kernelModule } from '../../src/kernel/files.ts';
import type { Kernels } from '../../src/kernel/kernels.ts';
import { MORE, NONE } from '../../src/kernel/layout.ts';
import { instantiate } from '../../src/kernel/wasm.ts';

/** Bags of a lookup. */
export const BAGS = 2_048;
/** The number of the table. */
const NUMBER = 3;
/** Parts of a side, in bytes from its block: the record of its feature, its work memory, and what the lookup takes. */
const FEATURE = 512;
const WORK = 1_024;
const TAKEN: number = WORK + cache.PROBED_BYTES;

/** The kernels of bench/assembly/cache-probe.ts. */
interface ProbeKernels {
  addBags(cache: number, table: number, dim: number, first: number, end: number, key: number): void;
  findBags(block: number, places: number): void;
}

/** Addresses of a cache, of the block of a lookup that uses it, and of the places that its bags are found at. */
export interface ProbedSide {
  readonly cache: number;
  readonly block: number;
  readonly places: number;
}

/** Compiles the kernels that only this benchmark needs, with the options of a ranker's kernels. */
export async function compileProbe(): Promise<WebAssembly.Module> {
  let binary: Uint8Array<ArrayBuffer> | undefined;
  const [, ...rest] = options('ranker', 'cache-probe.wasm');
  const { error, stderr } = await asc.main(['bench/assembly/cache-probe.ts', ...rest], {
    writeFile(_, contents) {
      binary = contents as Uint8Array<ArrayBuffer>;
    },
  });
  if (error || binary === undefined) throw new Error(`${stderr.toString()}${error?.message}`);
  return new WebAssembly.Module(binary);
}

export class ProbedCache {
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
  readonly ours: ProbedSide;
  readonly bar: ProbedSide;
  /** The keys whose bags the cache has. */
  readonly cached: Uint32Array;
  /** Address of the keys of all lookups, u32. */
  readonly keys: number;
  readonly #offsets: number;
  readonly #cacheBytes: number;
  readonly #kernels: Kernels;
  readonly #probe: ProbeKernels;

  /** @param entries of each cache, which is then full @param keys of all lookups */
  constructor(module: WebAssembly.Module, entries: number, dim: number, keys: number) {
    const logBytes = entries * (Math.ceil((32 + dim * 4) / 16) * 16);
    // As in CacheMemory: half of the places of buckets are used, and both filters have 4 bytes for an entry.
    const [buckets, blocks] = [Math.ceil(entries / 4), Math.ceil(entries / 32)];
    const seen = cache.CACHE_BYTES + buckets * cache.CACHE_BUCKET_BYTES;
    const log = seen + 2 * blocks * cache.CACHE_SEEN_BLOCK_BYTES;
    this.#cacheBytes = alignUp(log + logBytes);
    const places = this.#cacheBytes + alignUp(TAKEN + BAGS * (dim * 4 + cache.FILL_BYTES + 20) + 128);
    const sideBytes = places + BAGS * 4;
    const [table, first] = [1_024, 2_048];
    this.keys = first + 2 * sideBytes;
    this.#offsets = this.keys + keys * 4;
    const pages = Math.ceil((this.#offsets + BAGS * 4 + 4) / 65_536);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.u8 = new Uint8Array(memory.buffer);
    this.u32 = new Uint32Array(memory.buffer);
    this.#kernels = instantiate(kernelModule('ranker'), memory);
    this.#probe = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as ProbeKernels;
    for (let i = 0; i <= BAGS; i++) this.u32[this.#offsets / 4 + i] = i;
    this.#write(table, { [ask.TABLE_DIM]: dim, [ask.TABLE_NUMBER]: NUMBER });
    [this.ours, this.bar] = [first, first + sideBytes].map((at) => {
      const block = at + this.#cacheBytes;
      this.#write(at, {
        [cache.CACHE_BUCKETS]: at + cache.CACHE_BYTES,
        [cache.CACHE_BUCKET_COUNT]: buckets,
        [cache.CACHE_SPLIT]: NONE,
        [cache.CACHE_SEEN]: at + seen,
        [cache.CACHE_SEEN_BLOCKS]: blocks,
        [cache.CACHE_SEEN_MAX]: entries / 2,
        [cache.CACHE_LOG]: at + log,
        [cache.CACHE_LOG_BYTES]: logBytes,
        [cache.CACHE_END]: logBytes,
        [cache.CACHE_SEED]: 0x1234_5678,
      });
      this.#write(block, {
        [ask.ASK_CACHE]: at,
        [ask.ASK_FEATURES]: 1,
        [ask.ASK_FEATURE_LIST]: block + FEATURE,
        [ask.ASK_WORK]: block + WORK,
        [ask.ASK_END]: at + places,
      });
      this.#write(block + FEATURE, { [ask.FEATURE_TABLE]: table, [ask.FEATURE_KEY_BYTES]: 4 });
      return { cache: at, block, places: at + places };
    });
    this.#probe.addBags(this.ours.cache, NUMBER, dim, 0, entries, this.keys);
    this.cached = this.#findAll(entries);
  }

  /** Writes fields of a record. */
  #write(record: number, fields: Record<number, number>): void {
    for (const [field, value] of Object.entries(fields)) this.u32[(record + Number(field)) / 4] = value;
  }

  /** A full bucket has forgotten some of the bags that were added. */
  #findAll(entries: number): Uint32Array {
    const found: number[] = [];
    for (let first = 0; first < entries; first += BAGS) {
      for (let i = 0; i < BAGS; i++) this.u32[this.keys / 4 + i] = first + i;
      this.begin(this.ours, this.keys);
      this.find();
      const places = this.u32.subarray(this.ours.places / 4, this.ours.places / 4 + BAGS);
      for (const [i, place] of places.entries()) if (place !== 0) found.push(first + i);
    }
    return Uint32Array.from(found);
  }

  /** Gives both sides equal caches, and no results. */
  equalise(): void {
    const { ours, bar, u8, u32 } = this;
    const addresses = [cache.CACHE_BUCKETS, cache.CACHE_SEEN, cache.CACHE_LOG];
    const own = addresses.map((field) => u32[(bar.cache + field) / 4]);
    u8.copyWithin(bar.cache, ours.cache, ours.cache + this.#cacheBytes);
    for (const [i, field] of addresses.entries()) u32[(bar.cache + field) / 4] = own[i];
    for (const { block, places } of [ours, bar]) u8.fill(0, block + TAKEN, places + BAGS * 4);
  }

  /** Begins a lookup with the stage that looks for its bags. @param keys address of the key of each bag */
  begin({ block }: ProbedSide, keys: number): void {
    this.#write(block, {
      [ask.ASK_STAGE]: ask.ASK_PROBE,
      [ask.ASK_NEXT]: block + TAKEN,
      [ask.ASK_AT]: 0,
      [ask.ASK_BAG]: 0,
      [ask.ASK_FOUND]: 0,
    });
    this.#write(block + FEATURE, {
      [ask.FEATURE_KEYS]: keys,
      [ask.FEATURE_KEY_COUNT]: BAGS,
      [ask.FEATURE_SENT_OFFSETS]: this.#offsets,
      [ask.FEATURE_SENT_BAGS]: BAGS,
      [ask.FEATURE_HITS]: 0,
      [ask.FEATURE_FILL_COUNT]: 0,
    });
  }

  /** Finds the bags of our side. */
  find(): void {
    this.#probe.findBags(this.ours.block, this.ours.places);
  }

  /** Does the whole stage for our side. A bag of one key is worth two keys, so the kernel stops after the stage. */
  probe(): void {
    const status = this.#kernels.ask(this.ours.block, 2 * BAGS);
    if (status !== MORE) throw new Error(`ask returned ${status}`);
  }

  /** Numbers of bags of a side that were found, and that are to be added. */
  counts({ block }: ProbedSide): [hits: number, fills: number] {
    const at = (field: number): number => this.u32[(block + FEATURE + field) / 4];
    return [at(ask.FEATURE_HITS), at(ask.FEATURE_FILL_COUNT)];
  }

  /** @returns the place where the two sides differ; undefined if they are equal */
  difference(): string | undefined {
    const { ours, bar, u32 } = this;
    const apart = (bar.cache - ours.cache) / 4;
    const parts = {
      'word of the results': [ours.block + TAKEN, ours.places + BAGS * 4],
      'number of hits': [
        ours.block + FEATURE + ask.FEATURE_HITS,
        ours.block + FEATURE + ask.FEATURE_HIT_NUMBERS,
      ],
      'number of fills': [
        ours.block + FEATURE + ask.FEATURE_FILL_COUNT,
        ours.block + FEATURE + ask.FEATURE_NEXT_OFFSETS,
      ],
      'word of the counters': [ours.cache + cache.CACHE_SEEN_YOUNGER, ours.cache + cache.CACHE_BYTES],
      'word of the cache': [ours.cache + cache.CACHE_BYTES, ours.cache + this.#cacheBytes],
    };
    for (const [what, [begin, end]] of Object.entries(parts))
      for (let at = begin / 4; at < end / 4; at++)
        if (u32[at] !== u32[at + apart])
          return `${what} ${at - begin / 4} is ${u32[at]} here, ${u32[at + apart]} there`;
    return undefined;
  }
}

function alignUp(bytes: number): number {
  return Math.ceil(bytes / 64) * 64;
}
