import type * as Verbs from 'ibverbs-node';
import { sessionWindow } from '../../limits.ts';
import type { BufferPool } from '../../store/buffer-pool.ts';
import { HEADER_BYTES, wireVersionOldest } from '../../wire/layout.ts';
import { writeReplyHeader, writeReplyLoad } from '../../wire/reply.ts';
import type { Received, RowRead } from '../transport.ts';
import type { ReadableRelease, ReadableShard } from './handshake.ts';
import type { WorkBatch } from './work-batch.ts';

/** Most reads in flight, bytes of the buffer that each of them has, and most rows that a read asks for at once. */
export const readsAtOnce = 16;
export const readRoomBytes = 65_536;
const rowsAtOnce = 128;

/** Most work requests of all reads together that wait to be posted. */
export const readRequestsMax: number = readsAtOnce * rowsAtOnce;

/** What reads need to ask for rows, and the memory that the rows arrive in. */
export interface ReadContext {
  readonly verbs: typeof Verbs;
  readonly batch: WorkBatch;
  readonly replies: BufferPool;
  /** Registered memory for rows, of readsAtOnce × readRoomBytes bytes. */
  readonly room: Uint8Array;
  /** Address of `room` for the card. */
  readonly address: number;
  readonly lkey: number;
  /** Ids of completions: `idHigh` is the same for all reads. Read number n has the low word `idLow` + n. */
  readonly idHigh: number;
  readonly idLow: number;
}

/** The rows of a release, by the numbers of its shards. */
type Shards = ReadonlyMap<number, ReadableShard>;

/** A read in flight. */
interface Job {
  readonly shards: Shards;
  readonly reads: readonly RowRead[];
  readonly reply: Received;
  readonly done: (reply: Received) => void;
  /** Index in `reads`, number of its rows that are in the reply, and where the next row goes in the reply. */
  read: number;
  key: number;
  at: number;
  /** Number of rows that were asked for last, and how many of them have not arrived. */
  asked: number;
  left: number;
}

/** Fetches rows by one-sided READs, which use no CPU of the memory node. */
export class RowReads {
  readonly #context: ReadContext;
  /** By the fingerprints of their routing tables. */
  #releases: ReadonlyMap<bigint, Shards> = new Map();
  readonly #jobs: (Job | undefined)[] = new Array(readsAtOnce).fill(undefined);

  /** Reads that began before the rows were replaced last, and what is called when they have ended. */
  readonly #leaving = new Set<Job>();
  #onLeft: () => void = () => {};

  /** @param releases the rows that may be read */
  constructor(context: ReadContext, releases: readonly ReadableRelease[]) {
    this.#context = context;
    this.replace(releases, () => {});
  }

  /** From now on, these rows may be read. @param onLeft is called when no others are read any more */
  replace(releases: readonly ReadableRelease[], onLeft: () => void): void {
    this.#releases = new Map(
      releases.map(({ plan, shards }) => [
        BigInt(`0x${plan}`),
        new Map(shards.map((shard) => [shard.shard, shard])),
      ]),
    );
    for (const job of this.#jobs) if (job !== undefined) this.#leaving.add(job);
    this.#onLeft = onLeft;
    if (this.#leaving.size === 0) onLeft();
  }

  /**
   * Adds READs to the batch. `done` gets the rows in the layout of a reply of the node.
   * @param id of the subrequest @returns false if a row is not readable, or if too many reads are in flight
   */
  start(reads: readonly RowRead[], replyBytes: number, id: number, done: (reply: Received) => void): boolean {
    const number = this.#jobs.indexOf(undefined);
    // A subrequest is of one lookup, and so of one release.
    const shards = this.#releases.get(reads[0].plan);
    if (number < 0 || shards === undefined || !reads.every((read) => isReadable(shards, read))) return false;
    const reply = this.#context.replies.take(replyBytes);
    const words = new Uint32Array(reply.bytes.buffer, reply.bytes.byteOffset, replyBytes >>> 2);
    const identity = { id, version: wireVersionOldest, checksum: false };
    writeReplyHeader(words, 0, identity, { bytes: replyBytes, exceptions: 0 });
    const credits = { requestCredits: sessionWindow, replyCredits: sessionWindow };
    writeReplyLoad(words, 0, { ...credits, queued: 0, busyUs: 0 });
    const job = { shards, reads, reply, done, read: 0, key: 0, at: HEADER_BYTES, asked: 0, left: 0 };
    this.#jobs[number] = job;
    this.#ask(job, number);
    return true;
  }

  /** Asks for the next rows. */
  #ask(job: Job, number: number): void {
    const { verbs, batch, address, lkey, idHigh, idLow } = this.#context;
    const { shard: shardNumber, keys, rowBytes } = job.reads[job.read];
    const shard = job.shards.get(shardNumber);
    if (shard === undefined) return;
    job.asked = Math.min(rowsAtOnce, Math.floor(readRoomBytes / rowBytes), keys.length - job.key);
    job.left = job.asked;
    const local = address + number * readRoomBytes;
    for (let i = 0; i < job.asked; i++) {
      batch.add({
        opcode: verbs.sendOpcode.read,
        flags: verbs.sendFlags.signaled,
        idLow: idLow + number,
        idHigh,
        immediate: 0,
        local: local + i * rowBytes,
        bytes: rowBytes,
        lkey,
        remote: shard.address + (keys[job.key + i] - shard.begin) * rowBytes,
        rkey: shard.rkey,
      });
    }
  }

  /** A row has arrived. @param number of the read */
  complete(number: number): void {
    const job = this.#jobs[number];
    if (job === undefined || --job.left > 0) return;
    const { keys, rowBytes } = job.reads[job.read];
    const bytes = job.asked * rowBytes;
    const begin = number * readRoomBytes;
    job.reply.bytes.set(this.#context.room.subarray(begin, begin + bytes), job.at);
    job.at += bytes;
    job.key += job.asked;
    if (job.key === keys.length) {
      // Rows of the next segment begin at a multiple of 4 bytes.
      while (job.at % 4 !== 0) job.reply.bytes[job.at++] = 0;
      job.key = 0;
      job.read++;
    }
    if (job.read < job.reads.length) this.#ask(job, number);
    else {
      this.#jobs[number] = undefined;
      if (this.#leaving.delete(job) && this.#leaving.size === 0) this.#onLeft();
      job.done(job.reply);
    }
  }

  /** Releases all replies. No more rows will arrive. */
  close(): void {
    for (const job of this.#jobs) job?.reply.release();
    this.#jobs.fill(undefined);
  }
}

function isReadable(shards: Shards, { shard, version, rowBytes }: RowRead): boolean {
  const known = shards.get(shard);
  return known?.version === version && known.rowBytes === rowBytes && rowBytes <= readRoomBytes;
}
