// Makes frames of lookups, of one table or of everything that a node holds, and asks a node in this thread.
import fc from 'fast-check';
import { fingerprint } from '../../src/plan/fingerprint.ts';
import { type NumberedShard, numberedShards, type RoutingTable } from '../../src/plan/routing-table.ts';
import { answerableIdentity, unreadIdentity } from '../../src/wire/frame-identity.ts';
import type { Handler } from '../../src/wire/handler.ts';
import {
  HEADER_BYTES,
  REPLY_BUSY_US,
  REPLY_QUEUED,
  REPLY_REQUEST_CREDITS,
  wireVersion,
} from '../../src/wire/layout.ts';
import { type OutgoingSegment, subrequestBytes, writeSubrequest } from '../40.wire/write-subrequest.ts';

type Frame = Uint8Array<ArrayBuffer>;

/** A segment for the first shard of a table. `keys` are rows, or ids if the table is indexed. */
export function segmentOf(
  routing: RoutingTable,
  table: string,
  keys: readonly (number | bigint)[],
  more: Partial<OutgoingSegment> & { readonly lengths?: readonly number[] } = {},
): OutgoingSegment {
  const found = numberedShards(routing).find((shard) => shard.table.spec.name === table);
  if (found === undefined) throw new Error(`table ${table} is not in the plan`);
  return segmentOfShard(found, keys, more);
}

function segmentOfShard(
  { number, table }: NumberedShard,
  keys: readonly (number | bigint)[],
  { lengths = [keys.length], ...more }: Partial<OutgoingSegment> & { readonly lengths?: readonly number[] },
): OutgoingSegment {
  const offsets = new Uint32Array(lengths.length + 1);
  offsets.set(lengths, 1);
  for (let i = 1; i < offsets.length; i++) offsets[i] += offsets[i - 1];
  return {
    shard: number,
    version: table.version,
    keys: table.indexed
      ? new Uint32Array(BigUint64Array.from(keys, BigInt).buffer)
      : Uint32Array.from(keys, Number),
    wide: table.indexed,
    offsets: table.spec.mode === 'none' || more.fetch ? undefined : offsets,
    weights: undefined,
    partial: table.shards.length > 1,
    fetch: false,
    missing: undefined,
    ...more,
  };
}

/** The frame of some segments. */
export function frameOf(
  routing: RoutingTable,
  segments: readonly OutgoingSegment[],
  { timeLeftUs = 0, plan = fingerprint(routing) }: { timeLeftUs?: number; plan?: bigint } = {},
): Frame {
  const bytes = subrequestBytes(segments);
  const words = new Uint32Array(bytes >>> 2);
  const head = { id: 0, version: wireVersion, checksum: false, plan, timeLeftUs, replyCredits: 1 };
  writeSubrequest(words, 0, head, bytes, segments);
  return new Uint8Array(words.buffer);
}

/** One lookup of a table. */
export function lookupFrame(...[routing, table, keys, more]: Parameters<typeof segmentOf>): Frame {
  return frameOf(routing, [segmentOf(routing, table, keys, more)]);
}

/** A segment that the node of a shard answers, or refuses because of a key. */
function segmentOver(shard: NumberedShard, ids: readonly bigint[]): fc.Arbitrary<OutgoingSegment> {
  const { spec, indexed } = shard.table;
  const key = indexed
    ? fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...ids) }, { weight: 1, arbitrary: fc.constant(1n) })
    : fc.oneof(
        { weight: 9, arbitrary: fc.integer({ min: shard.shard.begin, max: shard.shard.end - 1 }) },
        { weight: 1, arbitrary: fc.nat({ max: spec.rows + 1 }) },
      );
  const weighable = spec.mode !== 'max' && spec.mode !== 'none';
  return fc
    .record({
      lengths: fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 8 }),
      keys: fc.infiniteStream<number | bigint>(key),
      weights: fc.option(fc.infiniteStream(fc.integer({ min: -9, max: 9 }))),
      fetch: fc.nat({ max: 5 }).map((n) => n === 0),
      partial: fc.boolean(),
      missing: fc.constantFrom(undefined, undefined, 'skip', 'error'),
    })
    .map(({ lengths, keys, weights, fetch, ...more }) => {
      const count = lengths.reduce((sum, length) => sum + length, 0);
      const own = Array.from({ length: count }, () => keys.next().value);
      const weighted =
        weights && weighable && !fetch
          ? Float32Array.from({ length: count }, () => weights.next().value)
          : undefined;
      return segmentOfShard(shard, own, { lengths, fetch, weights: weighted, ...more });
    });
}

/** Draws subrequests for a node. @param ids ids of its indexed tables */
export function subrequests(
  routing: RoutingTable,
  node: string,
  ids: readonly bigint[],
): fc.Arbitrary<Frame> {
  const own = numberedShards(routing).filter(({ shard }) => shard.node === node);
  const segment = fc.constantFrom(...own).chain((shard) => segmentOver(shard, ids));
  return fc.array(segment, { maxLength: 5 }).map((segments) => frameOf(routing, segments));
}

/** @returns the reply of a node in this thread */
export function replyOf(handler: Handler, frame: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve) => {
    const inbox = handler.admit(frame.length);
    const words = new Uint32Array(frame.buffer, frame.byteOffset, frame.length >>> 2);
    const identity = frame.length >= HEADER_BYTES ? answerableIdentity(words, 0) : unreadIdentity;
    if ('code' in inbox) return resolve(handler.refuse(identity, inbox));
    inbox.frame.set(frame);
    inbox.answer((reply) => {
      resolve(Uint8Array.from(reply));
      inbox.release();
    });
  });
}

/** A reply without the fields that depend on the node's load. */
export function timeless(reply: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(reply);
  const view = new DataView(copy.buffer);
  for (const field of [REPLY_REQUEST_CREDITS, REPLY_QUEUED, REPLY_BUSY_US]) view.setUint32(field, 0, true);
  return copy;
}
