import {
  cacheCollectMsMin,
  cacheCollectShare,
  cacheDecisionMsMax,
  cacheDecisionMsMin,
  cacheDecisionsPerWindow,
  cacheGarbageShare,
  cacheGrowDelayShare,
  cacheLearnedCoverage,
  cacheLearnedMax,
  cacheLearnedShare,
  cacheReleaseMsMax,
} from '../scoring-limits.ts';
import type { BatchLimit } from './batch-limit.ts';
import type { ControllerStats } from './controller-stats.ts';
import type { ElasticCache } from './elastic-cache.ts';
import type { MemoryCurve } from './memory-curve.ts';
import {
  type CacheBounds,
  cacheTarget,
  type MemoryStep,
  type MemoryUse,
  nextStep,
  spareOf,
} from './memory-step.ts';
import { WindowMax } from './window-max.ts';

export interface ControllerParts {
  readonly cache: ElasticCache;
  readonly bounds: CacheBounds;
  /** Everything but caches. */
  readonly memory: MemoryCurve;
  /** Time in which the largest batch counts. */
  readonly windowMs: number;
  /** Most candidates of a batch, whatever memory there is. */
  readonly batchCandidates: number;
  /** Lets the networks give back what larger batches needed. */
  readonly renew: () => Promise<void>;
  /** Runs the garbage collector. */
  readonly collect: () => Promise<void>;
  /** Bytes of this process that are resident. */
  readonly residentBytes: () => number;
  /** Hears why the size could not change. It is tried again. */
  readonly onError: (error: Error) => void;
}

/**
 * Gives a cache the memory that the networks do not need. It watches how many candidates wait for a batch; batches wait for
 * memory, never the other way round.
 */
export class CacheController implements BatchLimit, Disposable {
  readonly #most: number;
  #more: () => void = () => {};
  readonly #parts: ControllerParts;
  readonly #wanted: WindowMax;
  /** Resident bytes that nothing explains, such as garbage. Negative: fewer are resident than was expected. */
  readonly #others: WindowMax;
  /** The same, also before garbage was collected. */
  readonly #surprise: WindowMax;
  readonly #timer: ReturnType<typeof setInterval>;
  /** Candidates of batches in progress, and of the largest batch whose memory the networks still have. */
  readonly #running: number[] = [];
  #held = 0;
  /** As `#held`, once the networks have given memory back. */
  #heldAnew = 0;
  /** Bytes of the cache that is being made. */
  #pending = 0;
  #isBusy = false;
  /** When garbage was collected, and when the cache became smaller. */
  #collectedAt = 0;
  /** What was resident then, of the capacity. */
  #collectedShare = 0;
  #shrunkAt = Number.NEGATIVE_INFINITY;
  #resizes = 0;
  #renewals = 0;

  constructor(parts: ControllerParts) {
    const { windowMs, memory, bounds, batchCandidates } = parts;
    this.#parts = parts;
    this.#wanted = new WindowMax(windowMs);
    this.#others = new WindowMax(windowMs);
    this.#surprise = new WindowMax(windowMs);
    const { capacityBytes, floorBytes } = bounds;
    this.#most = Math.max(1, Math.min(batchCandidates, memory.within(capacityBytes - floorBytes)));
    const ms = Math.min(cacheDecisionMsMax, Math.max(cacheDecisionMsMin, windowMs / cacheDecisionsPerWindow));
    this.#timer = setInterval(() => this.#decide(), ms);
    this.#timer.unref();
  }

  /** Most candidates of a batch now. 0: a batch of one has to wait for memory too. */
  get now(): number {
    const { bounds, cache, memory } = this.#parts;
    const { bytes: cacheBytes, releasedBytes } = cache.memory;
    const spare = this.#pending > 0 ? this.#pending : spareOf(cacheBytes, bounds);
    const caches = cacheBytes + releasedBytes + spare;
    const free = bounds.capacityBytes - caches;
    const expected = Math.min(this.#most, memory.within(free - this.#othersNow));
    const candidates = Math.max(expected, this.#learned(free));
    // If the cache cannot give anything, waiting does not help.
    return Math.max(caches <= bounds.floorBytes ? 1 : 0, candidates);
  }

  /**
   * Most candidates for so many bytes, as the window has shown: if batches need clearly less than was expected of them, larger ones
   * do, too. Nothing follows for batches that are much larger.
   */
  #learned(bytes: number): number {
    const { memory, batchCandidates, bounds } = this.#parts;
    const now = performance.now();
    if (this.#surprise.coverage(now) < cacheLearnedCoverage) return 0;
    const less = -this.#surprise.most(now) - cacheGarbageShare * bounds.capacityBytes;
    if (less <= 0) return 0;
    const most = Math.min(batchCandidates, cacheLearnedMax * this.#held);
    return Math.floor(Math.min(most, memory.within(bytes + cacheLearnedShare * less)));
  }

  /** Most candidates of a batch ever. */
  get most(): number {
    return Math.max(this.#most, this.now);
  }

  fits(candidates: number): boolean {
    return candidates <= this.now;
  }

  /** @param more called when batches may have more candidates */
  onMore(more: () => void): void {
    this.#more = more;
  }

  wanted(candidates: number): void {
    const before = this.#wantedNow;
    const now = Math.min(candidates, this.most);
    this.#wanted.add(now, performance.now());
    if (now > before && now > this.now) this.#decide();
  }

  began(candidates: number): void {
    this.#running.push(candidates);
    this.#held = Math.max(this.#held, candidates);
    this.#heldAnew = Math.max(this.#heldAnew, candidates);
    if (!this.#isBusy && this.#isNearlyFull) void this.#do('collect');
  }

  /** Whether what is resident is close to the capacity, and has grown, so that garbage of another batch may be too much. */
  get #isNearlyFull(): boolean {
    if (performance.now() - this.#collectedAt < cacheCollectMsMin) return false;
    const { residentBytes, bounds } = this.#parts;
    const share = residentBytes() / bounds.capacityBytes;
    return share > cacheCollectShare && share > this.#collectedShare + cacheGarbageShare;
  }

  ended(candidates: number): void {
    this.#running.splice(this.#running.indexOf(candidates), 1);
  }

  get stats(): ControllerStats {
    return {
      ...this.#parts.bounds,
      neededBytes: this.#bytesOf(this.#wantedNow),
      wantedCandidates: this.#wantedNow,
      batchCandidates: this.now,
      targetBytes: cacheTarget(this.#use, this.#parts.bounds),
      resizes: this.#resizes,
      renewals: this.#renewals,
    };
  }

  get #largestRunning(): number {
    return Math.max(0, ...this.#running);
  }

  get #wantedNow(): number {
    return Math.max(0, this.#wanted.most(performance.now()));
  }

  get #othersNow(): number {
    return Math.max(0, this.#others.most(performance.now()));
  }

  /** Bytes of everything but caches, and of whatever else was resident lately. */
  #bytesOf(candidates: number): number {
    return this.#parts.memory.bytes(candidates) + this.#othersNow;
  }

  get #use(): MemoryUse {
    const { bytes: cacheBytes, releasedBytes } = this.#parts.cache.memory;
    const [wantedBytes, heldBytes] = [this.#bytesOf(this.#wantedNow), this.#bytesOf(this.#held)];
    return { wantedBytes, heldBytes, cacheBytes, releasedBytes };
  }

  /** Compares what is resident with what is known to be. */
  #measure(): void {
    const { cache, memory, residentBytes } = this.#parts;
    const { touchedBytes, releasedBytes } = cache.memory;
    const known = memory.bytes(this.#held) + touchedBytes + releasedBytes;
    const unexplained = residentBytes() - known;
    for (const window of [this.#others, this.#surprise]) window.add(unexplained, performance.now());
  }

  #decide(): void {
    if (this.#isBusy) return;
    this.#measure();
    const step = nextStep(this.#use, this.#parts.bounds);
    if (step !== 'nothing' && !this.#isEarly(step)) void this.#do(step);
    else if (this.#mayCollect) void this.#do('collect');
    else this.#more();
  }

  #isEarly(step: Exclude<MemoryStep, 'nothing'>): boolean {
    // A large batch in progress would be the first one of the new threads.
    if (step === 'renew') return this.#largestRunning > this.#wantedNow;
    // While the load rises, a cache that has become smaller is about to become smaller again.
    const { cache, windowMs } = this.#parts;
    return (
      step.resize > cache.memory.bytes && performance.now() - this.#shrunkAt < cacheGrowDelayShare * windowMs
    );
  }

  /** Whether a batch waits for memory, the cache cannot give it, and garbage may have it. */
  get #mayCollect(): boolean {
    const now = performance.now();
    return (
      this.#wantedNow > this.now && this.#othersNow > 0 && now - this.#collectedAt > this.#parts.windowMs
    );
  }

  async #do(step: Exclude<MemoryStep, 'nothing'> | 'collect'): Promise<void> {
    this.#isBusy = true;
    try {
      if (step === 'renew') await this.#renew();
      else if (step === 'collect') await this.#collect();
      else await this.#resize(step.resize);
    } catch (error) {
      this.#parts.onError(error as Error);
    } finally {
      this.#isBusy = false;
      this.#more();
    }
  }

  async #renew(): Promise<void> {
    this.#heldAnew = this.#largestRunning;
    await this.#parts.renew();
    this.#held = this.#heldAnew;
    this.#renewals++;
    await this.#collect();
  }

  async #collect(): Promise<void> {
    await this.#parts.collect();
    const { residentBytes, bounds } = this.#parts;
    this.#collectedAt = performance.now();
    this.#collectedShare = residentBytes() / bounds.capacityBytes;
    // What is still there is found again.
    this.#others.clear();
    this.#measure();
  }

  async #resize(bytes: number): Promise<void> {
    const { cache } = this.#parts;
    // A larger cache grows where it is; another one is built beside it.
    const { bytes: before } = cache.memory;
    const isGrowth = bytes > before;
    this.#pending = isGrowth ? bytes - before : bytes;
    try {
      await cache.resize(bytes);
      this.#resizes++;
    } finally {
      this.#pending = 0;
    }
    if (isGrowth) return;
    this.#shrunkAt = performance.now();
    // The memory of the old cache comes back soon. Batches may wait for it.
    for (let ms = 0; this.#isReleasing && ms < cacheReleaseMsMax; ms += cacheDecisionMsMin)
      await new Promise<void>((done) => void setTimeout(done, cacheDecisionMsMin).unref());
  }

  /** Whether memory of an earlier cache is still resident: it is for a while after the collector has found it. */
  get #isReleasing(): boolean {
    const { cache, residentBytes } = this.#parts;
    const { bytes, releasedBytes } = cache.memory;
    return releasedBytes > 0 || residentBytes() > this.#bytesOf(this.#held) + bytes;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
