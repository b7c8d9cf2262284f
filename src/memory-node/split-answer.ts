import * as layout from '../kernel/answer-layout.ts';
import { hasChecksum, identityAt, writeIdentity } from '../wire/frame-identity.ts';
import * as wire from '../wire/layout.ts';
import { type ReplyLoad, type WireError, writeReplyHeader, writeReplyLoad } from '../wire/reply.ts';
import type { Answer, Answering } from './answer.ts';
import { FrameChecksum } from './frame-checksum.ts';
import type { ServedArena } from './served-arena.ts';

/** A frame that was read: its address, and the address of its header and entries. */
interface WholeFrame {
  readonly address: number;
  readonly head: number;
}

/** Consecutive segments of a frame whose rows are in one arena. */
interface Run {
  readonly home: ServedArena;
  readonly first: number;
  readonly end: number;
  /** First word of the frame that holds their keys, offsets and weights. */
  readonly payload: number;
  readonly payloadEnd: number;
  readonly keysBefore: number;
}

/** A run in progress. It has a frame of its own in the arena of its rows. */
interface RunTask {
  readonly run: Run;
  readonly answer: Answer;
  readonly frame: number;
  readonly frameBytes: number;
}

/**
 * The answer to a frame whose rows are in several arenas. Each run of the frame is answered in the arena of its rows;
 * the results are then copied into one reply.
 */
export class SplitAnswer implements Answering {
  readonly #home: ServedArena;
  readonly #frame: WholeFrame;
  readonly #runs: readonly Run[];
  readonly #reply: number;
  readonly #replyBytesMax: number;
  readonly #replyBytes: number;
  /** Addresses that the next values, counts, denominators, sequences and exceptions are written to. */
  #values: number;
  #counts: number;
  #denominators: number;
  #sequences: number;
  #exceptions: number;
  /** Whether the reply has sequences. */
  readonly #isUpdated: boolean;
  #next = 0;
  #task: RunTask | undefined;
  /** The checksum of the reply; undefined if the reply carries none. */
  #checksum: FrameChecksum | undefined;

  /**
   * Allocates the reply to the frame that `home` has opened. Returns undefined if there is no space now.
   * @param arenaOf returns the arena that holds the rows of a shard
   */
  static open(
    home: ServedArena,
    frame: WholeFrame,
    arenaOf: (shard: number) => ServedArena,
  ): SplitAnswer | undefined {
    const reply = home.arena.slots.allocate(home.replyBytesMax);
    return reply === undefined ? undefined : new SplitAnswer(home, frame, arenaOf, reply);
  }

  private constructor(
    home: ServedArena,
    frame: WholeFrame,
    arenaOf: (shard: number) => ServedArena,
    reply: number,
  ) {
    this.#home = home;
    this.#frame = frame;
    this.#runs = runsOf(home.arena.words, frame.head >>> 2, arenaOf);
    this.#reply = reply;
    this.#replyBytesMax = home.replyBytesMax;
    this.#replyBytes = home.at(layout.ANSWER_REPLY_BYTES);
    this.#values = reply + wire.HEADER_BYTES;
    this.#counts = this.#values + home.at(layout.ANSWER_VALUES_BYTES);
    this.#denominators = this.#counts + home.at(layout.ANSWER_COUNTS_BYTES);
    this.#exceptions = reply + this.#replyBytes;
    this.#sequences = this.#exceptions - home.at(layout.ANSWER_SEQUENCES_BYTES);
    this.#isUpdated = home.at(layout.ANSWER_SEQUENCES_BYTES) > 0;
  }

  step(sliceBytes: number): boolean | WireError {
    if (this.#next < this.#runs.length) {
      const outcome = this.#poolRun(sliceBytes);
      if (outcome !== true || this.#next < this.#runs.length) return outcome === true ? false : outcome;
    }
    if (!hasChecksum(this.#home.arena.words, this.#frame.head >>> 2)) return true;
    this.#checksum ??= new FrameChecksum(this.#home.arena, this.#reply);
    return this.#checksum.finish(this.#exceptions, sliceBytes);
  }

  /** Pools one slice of the current run. @returns whether the run has ended, or the error */
  #poolRun(sliceBytes: number): boolean | WireError {
    const run = this.#runs[this.#next];
    this.#task ??= this.#send(run);
    if (this.#task === undefined) return { code: 'OVERLOADED' };
    const outcome = this.#task.answer.step(sliceBytes);
    if (outcome === false) return false;
    if (outcome !== true) return { ...outcome, segment: (outcome.segment ?? 0) + run.first };
    this.#copyResults(this.#task);
    this.#closeRun();
    this.#next++;
    return true;
  }

  /** Writes the frame of a run to the arena of its rows, and allocates its answer. */
  #send(run: Run): RunTask | undefined {
    const { arena } = run.home;
    const headWords = (wire.HEADER_BYTES + (run.end - run.first) * wire.SEGMENT_BYTES) >>> 2;
    const frameBytes = (headWords + run.payloadEnd - run.payload) << 2;
    const frame = arena.slots.allocate(frameBytes);
    if (frame === undefined) return undefined;
    const { words: from } = this.#home.arena;
    const [source, head, to] = [this.#frame.address >>> 2, this.#frame.head >>> 2, frame >>> 2];
    const entries = head + (wire.HEADER_BYTES >>> 2);
    const entryWords = wire.SEGMENT_BYTES >>> 2;
    arena.words.set(from.subarray(head, entries), to);
    arena.words[to + (wire.FRAME_BYTES >>> 2)] = frameBytes;
    // The frame does not leave the node, so it needs no checksum.
    writeIdentity(arena.words, to, { ...identityAt(arena.words, to), checksum: false });
    arena.words[to + (wire.FRAME_CHECKSUM >>> 2)] = 0;
    arena.words[to + (wire.SUBREQUEST_SEGMENTS >>> 2)] = run.end - run.first;
    const own = from.subarray(entries + run.first * entryWords, entries + run.end * entryWords);
    arena.words.set(own, to + (wire.HEADER_BYTES >>> 2));
    arena.words.set(from.subarray(source + run.payload, source + run.payloadEnd), to + headWords);
    const answer = run.home.open(frame, frameBytes) === undefined ? run.home.answer() : undefined;
    if (answer !== undefined) return { run, answer, frame, frameBytes };
    arena.slots.free(frame, frameBytes);
    return undefined;
  }

  #copyResults({ run, answer }: RunTask): void {
    const { words: from } = run.home.arena;
    const { words: to } = this.#home.arena;
    let at = answer.at(layout.ANSWER_REPLY) + wire.HEADER_BYTES;
    const bring = (bytes: number, place: number): number => {
      to.set(from.subarray(at >>> 2, (at + bytes) >>> 2), place >>> 2);
      at += bytes;
      return place + bytes;
    };
    const sequencesBytes = answer.at(layout.ANSWER_SEQUENCES_BYTES);
    const replyEnd = answer.at(layout.ANSWER_REPLY) + answer.at(layout.ANSWER_REPLY_BYTES);
    this.#values = bring(answer.at(layout.ANSWER_VALUES_BYTES), this.#values);
    this.#counts = bring(answer.at(layout.ANSWER_COUNTS_BYTES), this.#counts);
    this.#denominators = bring(replyEnd - sequencesBytes - at, this.#denominators);
    if (this.#isUpdated) {
      const end = this.#sequences + (run.end - run.first) * wire.SEQUENCE_BYTES;
      // If no table of the run takes updates, its own reply has no sequences.
      if (sequencesBytes === 0) to.fill(0, this.#sequences >>> 2, end >>> 2);
      bring(sequencesBytes, this.#sequences);
      this.#sequences = end;
    }
    const first = this.#exceptions >>> 2;
    this.#exceptions = bring(answer.at(layout.ANSWER_EXCEPTIONS) * 4, this.#exceptions);
    // Positions count the keys of the whole frame.
    for (let i = first; i < this.#exceptions >>> 2; i++) to[i] += run.keysBefore;
  }

  #closeRun(): void {
    if (this.#task === undefined) return;
    const { run, answer, frame, frameBytes } = this.#task;
    answer.close();
    run.home.arena.slots.free(frame, frameBytes);
    this.#task = undefined;
  }

  reply(load: ReplyLoad): Uint8Array {
    const { words, bytes } = this.#home.arena;
    const exceptions = (this.#exceptions - this.#reply - this.#replyBytes) >>> 2;
    const reply = this.#reply >>> 2;
    const identity = identityAt(words, this.#frame.head >>> 2);
    writeReplyHeader(words, reply, identity, { bytes: this.#exceptions - this.#reply, exceptions });
    if (this.#isUpdated) words[reply + (wire.FRAME_VERSION >>> 2)] |= wire.HEADER_FLAG_SEQUENCES << 16;
    writeReplyLoad(words, reply, load);
    if (this.#checksum) words[reply + (wire.FRAME_CHECKSUM >>> 2)] = this.#checksum.end();
    return bytes.subarray(this.#reply, this.#exceptions);
  }

  close(): void {
    this.#closeRun();
    this.#home.arena.slots.free(this.#reply, this.#replyBytesMax);
  }
}

/** The runs of a frame that was read and checked. @param head its header, as a word index of the memory */
function runsOf(words: Uint32Array, head: number, arenaOf: (shard: number) => ServedArena): Run[] {
  const count = words[head + (wire.SUBREQUEST_SEGMENTS >>> 2)];
  const runs: Run[] = [];
  let payload = (wire.HEADER_BYTES + count * wire.SEGMENT_BYTES) >>> 2;
  let keysBefore = 0;
  for (let i = 0; i < count; i++) {
    const entry = head + ((wire.HEADER_BYTES + i * wire.SEGMENT_BYTES) >>> 2);
    const home = arenaOf(words[entry + (wire.SEGMENT_SHARD >>> 2)]);
    const payloadEnd = payload + payloadWords(words, entry);
    const last = runs.at(-1);
    if (last?.home === home) runs[runs.length - 1] = { ...last, end: i + 1, payloadEnd };
    else runs.push({ home, first: i, end: i + 1, payload, payloadEnd, keysBefore });
    payload = payloadEnd;
    keysBefore += words[entry + (wire.SEGMENT_KEYS >>> 2)];
  }
  return runs;
}

/** Words of a segment's keys, offsets and weights. @param entry its entry, as a word index of the memory */
function payloadWords(words: Uint32Array, entry: number): number {
  const flags = words[entry + (wire.SEGMENT_BAGS >>> 2)] >>> 24;
  const bags = words[entry + (wire.SEGMENT_BAGS >>> 2)] & 0xffffff;
  const keys = words[entry + (wire.SEGMENT_KEYS >>> 2)];
  const keyWords = keys * (flags & wire.FLAG_WIDE ? 2 : 1);
  return keyWords + (bags > 0 ? bags + 1 : 0) + (flags & wire.FLAG_WEIGHTED ? keys : 0);
}
