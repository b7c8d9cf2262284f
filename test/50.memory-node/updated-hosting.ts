// Gives shards of a hosting update records, and says what replies with sequences must be.

import { UPDATES_BYTES } from '../../src/kernel/answer-layout.ts';
import type { Hosting } from '../../src/memory-node/hosting.ts';
import { UpdateRecord } from '../../src/memory-node/update-record.ts';
import * as wire from '../../src/wire/layout.ts';
import { checksumOf } from '../40.wire/checksum-oracle.ts';
import { readSubrequest } from '../40.wire/read-subrequest.ts';

/** A hosting in which some shards take updates, and their records by the number of the shard. */
export interface UpdatedHosting {
  readonly hosting: Hosting;
  readonly records: ReadonlyMap<number, UpdateRecord>;
}

/** @param takes whether a shard takes updates. Records are at the end of the slots of each arena. */
export function withUpdates(hosting: Hosting, takes: (shard: number) => boolean): UpdatedHosting {
  const records = new Map<number, UpdateRecord>();
  const ends = hosting.slots.map(({ end }) => end - (end % UPDATES_BYTES));
  const views = hosting.memories.map(({ buffer }) => {
    return { words: new Uint32Array(buffer), longs: new BigUint64Array(buffer) };
  });
  const shards = hosting.shards.map((shard) => {
    if (!takes(shard.number)) return shard;
    ends[shard.arena] -= UPDATES_BYTES;
    const record = new UpdateRecord(views[shard.arena], ends[shard.arena]);
    record.serve({ incarnation: 0, number: 0n });
    records.set(shard.number, record);
    return { ...shard, updates: record.address };
  });
  const slots = hosting.slots.map(({ begin }, i) => ({ begin, end: ends[i] }));
  return { hosting: { ...hosting, shards, slots }, records };
}

/** The reply that a node whose shards take no updates gave, with sequences and a right checksum. */
export function withSequences(
  frame: Uint8Array<ArrayBuffer>,
  reply: Uint8Array,
  records: ReadonlyMap<number, UpdateRecord>,
): Uint8Array {
  const words = new Uint32Array(frame.slice().buffer);
  const read = readSubrequest(words, 0, frame.length);
  const view = new DataView(reply.slice().buffer);
  const isError = view.getUint32(wire.REPLY_STATUS, true) !== 0;
  if ('code' in read || isError || (words[wire.FRAME_VERSION >>> 2] & 0xffff) === 1) return reply;
  if (!read.segments.some(({ shard }) => records.has(shard))) return reply;
  const exceptions = reply.length - view.getUint32(wire.REPLY_EXCEPTIONS, true) * 4;
  const added = read.segments.length * wire.SEQUENCE_BYTES;
  const longer = new Uint8Array(reply.length + added);
  longer.set(reply.subarray(0, exceptions));
  longer.set(reply.subarray(exceptions), exceptions + added);
  const to = new DataView(longer.buffer);
  for (const [i, { shard }] of read.segments.entries()) {
    const { incarnation = 0, number = 0n } = records.get(shard)?.updatedTo ?? {};
    to.setUint32(exceptions + i * wire.SEQUENCE_BYTES, incarnation, true);
    to.setBigUint64(exceptions + i * wire.SEQUENCE_BYTES + 4, number, true);
  }
  const flags = to.getUint8(wire.FRAME_FLAGS);
  to.setUint8(wire.FRAME_FLAGS, flags | wire.HEADER_FLAG_SEQUENCES);
  to.setUint32(wire.FRAME_BYTES, longer.length, true);
  if ((flags & wire.HEADER_FLAG_CHECKSUM) !== 0) to.setUint32(wire.FRAME_CHECKSUM, checksumOf(longer), true);
  return longer;
}
