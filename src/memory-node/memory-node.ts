import { FlexemrError } from '../errors.ts';
import * as layout from '../kernel/answer-layout.ts';
import { atOnceBytesMax, retryAfterMsDefault, sessionWindow, sliceBytesMax } from '../limits.ts';
import type { DirectHandler, LentSlots } from '../wire/direct.ts';
import type { FrameIdentity } from '../wire/frame-identity.ts';
import type { Inbox, NodeDescription, ReleaseStatus } from '../wire/handler.ts';
import { HEADER_BYTES, wireVersion, wireVersionOldest } from '../wire/layout.ts';
import { errorReply, type ReplyLoad, type WireError } from '../wire/reply.ts';
import { Slices } from '../wire/slices.ts';
import type { TraceContext } from '../wire/trace.ts';
import { AnswerSpan } from './answer-span.ts';
import { copyHead } from './frame-head.ts';
import { HeldSubrequest, type SubrequestOwner } from './held-subrequest.ts';
import type { Hosting } from './hosting.ts';
import { JsonLookups } from './json-lookup.ts';
import { limitsOf, overloaded, Places } from './places.ts';
import { ServedReleases } from './served-releases.ts';
import type { Slots } from './slots.ts';
import { SplitAnswer } from './split-answer.ts';
import type { TracedTuning } from './tuning.ts';
import type { WorkerArena } from './worker-arena.ts';
import { WorkerCounts, type WorkerStats } from './worker-stats.ts';

/** One worker of a memory node. It takes in subrequests and pools them where the rows are, one slice at a time. */
export class MemoryNode implements DirectHandler {
  readonly #workers: readonly { readonly port: number }[];
  readonly #name: string;
  readonly #sliceBytes: number;
  readonly #tuning: TracedTuning;
  readonly #releases = new ServedReleases();
  /** Releases that the node does not serve yet, and the one that the cluster gets next. */
  following: Pick<NodeDescription, 'next'> & { readonly coming: readonly ReleaseStatus[] } = { coming: [] };
  #limits: NodeDescription['limits'] = limitsOf(0);
  #draining = false;
  /** Subrequests that need several slices, in order of arrival. Short ones are answered at once, between slices. */
  readonly #waiting: HeldSubrequest[] = [];
  #pumping = false;
  #places = new Places(0);
  readonly #counts = new WorkerCounts();

  /** @param workers filled in when all of them listen */
  constructor(name: string, workers: readonly { readonly port: number }[], tuning: TracedTuning = {}) {
    this.#name = name;
    // Kernels take a u32.
    this.#sliceBytes = Math.min(tuning.sliceBytes ?? sliceBytesMax, 0xffffffff);
    this.#workers = workers;
    this.#tuning = tuning;
  }

  /**
   * Serves these releases from now on, and no others. Lookups in JSON are answered from the first one.
   * @returns once no subrequest uses the rows of others any more
   * @throws RangeError if its slots have no space to describe them now; then nothing has changed
   */
  host(current: Hosting, ...others: readonly Hosting[]): Promise<unknown> {
    const unused = this.#releases.host([current, ...others]);
    if (this.#limits.replyBytes === 0) {
      const room = this.#direct.slots.bytes;
      this.#places = new Places(room);
      this.#limits = limitsOf(room);
    }
    return unused;
  }

  /** Takes no more subrequests. Those that it holds are still answered. */
  drain(): void {
    this.#draining = true;
  }

  get ready(): boolean {
    return this.#releases.current !== undefined && !this.#draining;
  }

  get stats(): WorkerStats {
    const sum = (of: (slots: Slots) => number): number =>
      this.#releases.arenas.reduce((total, { slots }) => total + of(slots), 0);
    return {
      ...this.#counts.stats,
      held: this.#places.held,
      waiting: this.#waiting.length,
      slotBytes: sum(({ bytes }) => bytes),
      slotBytesFree: sum(({ bytesFree }) => bytesFree),
    };
  }

  describe(): NodeDescription {
    const { current, all } = this.#releases;
    const described = current?.description ?? { node: this.#name, plan: '', tables: [] };
    const wireVersions = [wireVersionOldest, wireVersion] as const;
    const served = all.map((release) => release.status);
    return {
      ...described,
      ...{ wireVersions, workers: this.#workers, limits: this.#limits },
      ...{ releases: [...served, ...this.following.coming], next: this.following.next },
    };
  }

  admit(bytes: number): Inbox | WireError {
    const refused = this.#refusal(bytes);
    if (refused) return refused;
    if (!this.#places.begin(bytes)) return this.#refused(overloaded);
    const { home: arena } = this.#releases;
    const address = arena.slots.allocate(bytes);
    if (address !== undefined) return new HeldSubrequest(arena, address, bytes, this.#owner, this.#span());
    this.#places.end(bytes);
    return this.#refused(overloaded);
  }

  /** The owner of subrequests from `admit`, whose bytes are still to come. */
  readonly #owner: SubrequestOwner = {
    accept: (held) => {
      this.#places.end(held.bytes);
      this.#places.take();
      this.#accept(held);
    },
    closed: ({ whole, bytes, served }) => {
      served?.end();
      if (whole) this.#places.give();
      else this.#places.end(bytes);
    },
  };

  /** The arena whose slots a card may write to. */
  get #direct(): WorkerArena {
    return this.#releases.arenas[0];
  }

  get slots(): Uint8Array {
    const { bytes, slots } = this.#direct;
    return bytes.subarray(slots.begin, slots.end);
  }

  lend(bytes: number): LentSlots | undefined {
    if (!this.ready || !this.#places.lend(bytes)) return undefined;
    const arena = this.#direct;
    const address = arena.slots.allocate(bytes);
    if (address === undefined) this.#places.giveBack(bytes);
    if (address === undefined) return undefined;
    const release = (): void => {
      this.#places.giveBack(bytes);
      arena.slots.free(address, bytes);
    };
    return { bytes: arena.bytes.subarray(address, address + bytes), release };
  }

  admitAt(address: number, bytes: number): Inbox | WireError {
    const refused = this.#refusal(bytes);
    if (refused) return refused;
    const arena = this.#direct;
    const head = this.#places.free > 0 ? copyHead(arena, address, bytes) : undefined;
    if (head === undefined) return this.#refused(overloaded);
    this.#places.take();
    return new HeldSubrequest(arena, address, bytes, this.#directOwner, this.#span(), head);
  }

  /** The owner of subrequests from `admitAt`, whose frames are already complete. */
  readonly #directOwner: SubrequestOwner = {
    accept: (held) => this.#accept(held),
    closed: ({ served }) => {
      served?.end();
      this.#places.give();
    },
  };

  /** Why a frame of `bytes` bytes is refused, regardless of its contents and of the number of frames held. */
  #refusal(bytes: number): WireError | undefined {
    if (!this.ready) return this.#refused({ code: 'UNAVAILABLE', retryAfterMs: retryAfterMsDefault });
    if (bytes < HEADER_BYTES || bytes % 4 !== 0) return { code: 'INVALID_FRAME', position: 8, value: bytes };
    const most = this.#limits.subrequestBytes;
    return bytes > most ? { code: 'LIMIT_EXCEEDED', position: bytes, value: most } : undefined;
  }

  #span(): AnswerSpan | undefined {
    return this.#tuning.tracer && new AnswerSpan(this.#tuning.tracer, this.#name);
  }

  #refused(error: WireError): WireError {
    this.#counts.refused++;
    return error;
  }

  refuse(identity: FrameIdentity, error: WireError): Uint8Array {
    this.#counts.failed(error.code);
    return errorReply(identity, error, this.#load(0));
  }

  #load(busyUs: number): ReplyLoad {
    return {
      requestCredits: Math.min(sessionWindow, this.#places.free),
      replyCredits: sessionWindow,
      queued: this.#waiting.length,
      busyUs: Math.round(busyUs),
    };
  }

  #accept(held: HeldSubrequest): void {
    const atOnceBytes = Math.max(atOnceBytesMax, this.#sliceBytes);
    // The checksum of a large frame is computed in slices too.
    if (held.isUnchecked && held.bytes > atOnceBytes) this.#wait(held);
    else if (this.#check(held, held.bytes)) {
      if (held.weight > atOnceBytes) this.#wait(held);
      // This is usually one slice. Ids of an indexed table are resolved in slices of their own.
      else for (let now = held.arrived; !this.#step(held, now); now = performance.now());
    }
  }

  #wait(held: HeldSubrequest): void {
    this.#waiting.push(held);
    this.#pump();
  }

  /**
   * Adds the next `bytes` bytes of a frame to its checksum, and reads the frame when the checksum is complete.
   * @returns whether its answer has begun
   */
  #check(held: HeldSubrequest, bytes: number): boolean {
    const outcome = held.isUnchecked ? held.check(bytes) : true;
    if (outcome === false) return false;
    const error = outcome === true ? this.#begin(held) : outcome;
    if (error) this.#fail(held, { retryAfterMs: retryAfterMsDefault, ...error });
    return error === undefined;
  }

  /** Reads the frame and allocates its answer. @returns the error if there will be no answer */
  #begin(held: HeldSubrequest): WireError | undefined {
    const release = this.#releases.of(held.arena, held.head);
    const home = release.in(held.arena);
    if (home === undefined) return { code: 'OVERLOADED' };
    const error = home.open(held.address, held.bytes, held.head);
    held.span?.begin(home, held.head);
    if (error) return error;
    const answer = home.isAway ? SplitAnswer.open(home, held, release.arenaOf) : home.answer();
    if (answer === undefined) return { code: 'OVERLOADED' };
    this.#counts.opened(home.contents);
    release.begin();
    held.begin(release, answer, home.at(layout.ANSWER_WEIGHT), home.at(layout.ANSWER_TIME_LEFT_US));
    return undefined;
  }

  /** Runs one slice of a subrequest. @param started `performance.now()` of the slice @returns whether it is answered */
  #step(held: HeldSubrequest, started: number): boolean {
    if (held.isUnchecked) {
      this.#check(held, this.#sliceBytes);
      return !held.isUnchecked && held.work === undefined;
    }
    const { work } = held;
    if (work === undefined) return true;
    if (started > held.deadline) {
      this.#fail(held, { code: 'DEADLINE_EXCEEDED' });
      return true;
    }
    const outcome = held.step(work, this.#sliceBytes, this.#tuning.gate);
    const now = performance.now();
    const busy = (now - started) * 1000;
    this.#counts.busyUs += busy;
    held.busyUs += busy;
    if (outcome === false) return false;
    if (outcome === true) {
      this.#counts.answered(now - held.arrived);
      held.finish(work.reply(this.#load(held.busyUs)));
    } else this.#fail(held, { retryAfterMs: retryAfterMsDefault, ...outcome });
    return true;
  }

  /** Runs one slice per turn of the event loop. Between slices, sockets are read and short subrequests are answered. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    setImmediate(() => {
      this.#pumping = false;
      const [first] = this.#waiting;
      if (first === undefined) return;
      if (this.#step(first, performance.now())) this.#waiting.shift();
      if (this.#waiting.length > 0) this.#pump();
    });
  }

  #fail(held: HeldSubrequest, error: WireError): void {
    this.#counts.failed(error.code);
    this.#counts.answered(performance.now() - held.arrived);
    held.finish(errorReply(held.identity, error, this.#load(held.busyUs)), error);
  }

  async lookupJson(body: unknown, slices: Slices = new Slices(), trace?: TraceContext): Promise<unknown> {
    const { current } = this.#releases;
    if (current === undefined) {
      const message = `memory node ${this.#name} has not loaded its tables yet; try again`;
      throw new FlexemrError('UNAVAILABLE', message, { field: 'node', value: this.#name });
    }
    current.json ??= new JsonLookups(this, current.hosting, this.#tuning.tracer);
    return await current.json.lookUp(body, slices, trace);
  }
}
