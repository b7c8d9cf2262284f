// The row updates that a lookup must have.
import * as v from 'valibot';
import { check, integer, named, options, type Schema } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import * as layout from '../kernel/ask-layout.ts';
import { u32Max } from '../limits.ts';
import type { AskedLookup } from '../lookup/asked.ts';
import type { TableFinder } from '../lookup/bag-reader.ts';
import { SEQUENCE_BYTES } from '../wire/layout.ts';
import type { Reply } from '../wire/reply.ts';

/** Which updates the rows of a shard must have. */
export interface ShardMark {
  readonly incarnation: number;
  /** A u64, also as decimal digits: JSON has no bigint. */
  readonly number: bigint | string;
}

/** By the name of the table, and the number of the shard in the routing table. Shards that are not named may have any updates. */
export type AtLeast = Readonly<Record<string, Readonly<Record<number, ShardMark>>>>;

const u64Max = 2n ** 64n - 1n;
const u64: Schema<bigint | string> = v.custom<bigint | string>((value) => {
  if (typeof value === 'string') return /^\d{1,20}$/.test(value) && BigInt(value) <= u64Max;
  return typeof value === 'bigint' && value >= 0n && value <= u64Max;
}, 'a bigint from 0 to 2^64 - 1, or its decimal digits');
// No stream has the incarnation 0.
const shardMark = options({ incarnation: integer(1, u32Max), number: u64 });

/** Why a reply is not used. */
export interface Staleness {
  readonly error: FlexemrError;
  /** Whether the rows may get the updates: they are of the same incarnation. */
  readonly isBehind: boolean;
}

interface Wanted {
  readonly table: string;
  readonly incarnation: number;
  readonly number: bigint;
}

export class WantedRows {
  readonly tables: ReadonlySet<string>;
  readonly #shards = new Map<number, Wanted>();

  /** @throws INVALID_OPTION, UNKNOWN_TABLE; STALE_ROUTING if the routing table has no such shard */
  constructor(atLeast: AtLeast, tableOf: TableFinder) {
    this.tables = new Set(Object.keys(atLeast));
    for (const [table, given] of Object.entries(atLeast)) {
      const numbers = new Map(tableOf(table, 'atLeast').shards.map(({ number }) => [String(number), number]));
      const field = `atLeast.${table}`;
      for (const [name, mark] of Object.entries(check(named, given, field))) {
        const { incarnation, number } = check(shardMark, mark, `${field}.${name}`);
        const shard = numbers.get(name);
        if (shard === undefined) throw noShard(table, name);
        this.#shards.set(shard, { table, incarnation, number: BigInt(number) });
      }
    }
  }

  /** Bags of its tables are asked for, even if the cache has them. */
  apply(asked: AskedLookup): void {
    for (const [feature, { spec }] of asked.tables.entries())
      if (this.tables.has(spec.name)) asked.setFeature(feature, layout.FEATURE_FRESH, 1);
  }

  /** What a reply of the right length lacks. */
  staleness(asked: AskedLookup, frame: number, reply: Reply, node: string): Staleness | undefined {
    const first = asked.sent(frame, layout.SENT_REPLY_BYTES);
    let found: Staleness | undefined;
    for (const segment of asked.segmentsOf(frame)) {
      const shard = asked.shardOf(segment);
      const wanted = this.#shards.get(shard);
      if (wanted === undefined) continue;
      const at = first + asked.segment(segment, layout.ASKED_NUMBER) * SEQUENCE_BYTES;
      const [incarnation, low, high] = reply.hasSequences ? reply.sequenceAt(at) : noSequence;
      const number = (BigInt(high) << 32n) | BigInt(low);
      const isBehind = incarnation === wanted.incarnation;
      if (isBehind && number >= wanted.number) continue;
      const stale = { error: staleRows(wanted, { shard, node, incarnation, number }), isBehind };
      // To wait does not help if any of them has another incarnation.
      if (!isBehind) return stale;
      found ??= stale;
    }
    return found;
  }
}

const noSequence = [0, 0, 0];

interface Seen {
  readonly shard: number;
  readonly node: string;
  readonly incarnation: number;
  readonly number: bigint;
}

function staleRows({ table, ...wanted }: Wanted, { shard, node, incarnation, number }: Seen): FlexemrError {
  const seen =
    incarnation === 0
      ? 'takes no updates there'
      : `has update ${number} of incarnation ${incarnation} at memory node ${node}`;
  const message = `shard ${shard} of table ${table} must have update ${wanted.number} of incarnation ${wanted.incarnation}, but ${seen}`;
  return new FlexemrError('STALE_ROWS', message, { field: table, shard, node, value: number });
}

function noShard(table: string, shard: string): FlexemrError {
  const message = `atLeast.${table}: table ${table} has no shard ${shard} in this routing table; take the mark from updates of the same plan`;
  return new FlexemrError('STALE_ROUTING', message, { field: `atLeast.${table}`, value: shard });
}
