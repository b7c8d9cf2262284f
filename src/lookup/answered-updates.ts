// Which row updates the rows have that a lookup was answered from.
import * as layout from '../kernel/ask-layout.ts';
import { SEQUENCE_BYTES } from '../wire/layout.ts';
import type { AskedLookup } from './asked.ts';

/** A shard that has answered, and the row updates that its rows have at least. */
export interface UpdatedShard {
  /** Its number in the routing table. */
  readonly shard: number;
  /** Incarnation of the stream of updates. Numbers of two incarnations have no order. */
  readonly incarnation: number;
  /** Number of the last batch of updates that the rows have. They may have later ones. */
  readonly number: bigint;
}

/** By the name of the table. */
export type LookupUpdates = ReadonlyMap<string, readonly UpdatedShard[]>;

/** A reply that may say which updates its segments have. */
interface SequencedReply {
  readonly hasSequences: boolean;
  /**
   * Copies three words: incarnation, and the low and the high word of the number. @param at first byte of a sequence
   * @returns whether the shard takes updates
   */
  copySequence(at: number, to: Uint32Array, place: number): boolean;
}

/** Words of an entry: its feature, its shard, and the words of its sequence. */
const entryWords = 5;

/** What replies say of updates, as words that can go to another thread. */
export class AnsweredUpdates {
  /** u32 [entries, 5]. */
  readonly words: Uint32Array;
  readonly #tableOf: (feature: number) => string;

  /** @param tableOf the name of the table of a feature */
  constructor(words: Uint32Array, tableOf: (feature: number) => string) {
    this.words = words;
    this.#tableOf = tableOf;
  }

  /** @param replies by frame @returns undefined if none of them says anything */
  static of(
    asked: AskedLookup,
    replies: readonly (SequencedReply | undefined)[],
  ): AnsweredUpdates | undefined {
    if (!replies.some((reply) => reply?.hasSequences)) return undefined;
    const words = new Uint32Array(asked.segments * entryWords);
    let end = 0;
    for (let i = 0; i < asked.segments; i++) {
      const frame = asked.frameOf(i);
      const reply = replies[frame];
      if (!reply?.hasSequences) continue;
      const first = asked.sent(frame, layout.SENT_REPLY_BYTES);
      const at = first + asked.segment(i, layout.ASKED_NUMBER) * SEQUENCE_BYTES;
      // The table takes no updates.
      if (!reply.copySequence(at, words, end + 2)) continue;
      words[end] = asked.segment(i, layout.ASKED_FEATURE);
      words[end + 1] = asked.shardOf(i);
      end += entryWords;
    }
    const { tables } = asked;
    return new AnsweredUpdates(words.subarray(0, end), (feature) => tables[feature].spec.name);
  }

  /** Calls a function for each segment that says something. */
  each(call: (feature: number, shard: number, incarnation: number, number: bigint) => void): void {
    for (let at = 0; at < this.words.length; at += entryWords) {
      const [feature, shard, incarnation, low, high] = this.words.subarray(at, at + entryWords);
      call(feature, shard, incarnation, (BigInt(high) << 32n) | BigInt(low));
    }
  }

  /** What all segments of a shard have. Several incarnations of one shard are listed apart. */
  get byTable(): LookupUpdates {
    const byTable = new Map<string, UpdatedShard[]>();
    this.each((feature, shard, incarnation, number) => {
      const table = this.#tableOf(feature);
      const list = byTable.get(table) ?? [];
      byTable.set(table, list);
      const known = list.findIndex((other) => other.shard === shard && other.incarnation === incarnation);
      if (known < 0) list.push({ shard, incarnation, number });
      else if (number < list[known].number) list[known] = { shard, incarnation, number };
    });
    return byTable;
  }
}
