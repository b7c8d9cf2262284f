// Reads a subrequest (src/wire/layout.ts). Whatever its bytes are, nothing outside of them is read, and no number in
// them is used before it was checked. Only keys and offsets are checked later, by pool and gather.

import {
  ANSWER_AWAY, ANSWER_CALL, ANSWER_COUNTS_BYTES, ANSWER_ERROR_POSITION, ANSWER_ERROR_SEGMENT, ANSWER_ERROR_VALUE,
  ANSWER_FETCHED_KEYS, ANSWER_FETCHES, ANSWER_OUTCOMES_BYTES, ANSWER_HEAD, ANSWER_KEYS, ANSWER_PAYLOAD, ANSWER_REPLY_BYTES, ANSWER_SEGMENTS, ANSWER_SERVED, ANSWER_STATUS,
  ANSWER_TIME_LEFT_US, ANSWER_VALUES_BYTES, ANSWER_WEIGHT, ANSWER_WORK_BYTES, FRAME_SEGMENTS_MAX,
  ANSWER_SEQUENCES_BYTES, REFUSED, SEGMENT_WEIGHT, SERVED_BAGS_MAX, SERVED_HEADER_BYTES, SERVED_KEYS_MAX, SERVED_PLAN, SERVED_REPLY_BYTES_MAX, SERVED_SHARDS,
  SHARD_AWAY, SHARD_INDEX, SHARD_KEY_WEIGHT, SHARD_POOLED, SHARD_UPDATES, SHARD_VERSION,
} from '../src/kernel/answer-layout';
import {
  CALL_DEFAULT_ROW, CALL_DIM, CALL_LAST_SHARD, CALL_MODE, CALL_ROW_BYTES, DONE, MAX, MEAN, MISSING_DEFAULT, NONE, SQRTN,
} from '../src/kernel/layout';
import {
  FLAG_FETCH, FLAG_MISSING_SHIFT, FLAG_PARTIAL, FLAG_WEIGHTED, FLAG_WIDE, FLAGS_KNOWN, FRAME_BYTES, FRAME_CHECKSUM,
  FRAME_FLAGS, FRAME_MAGIC, FRAME_VERSION, HEADER_BYTES, HEADER_FLAG_CHECKSUM, SEGMENT_BAGS, SEGMENT_BYTES, SEGMENT_KEYS, SEGMENT_SHARD, SEGMENT_VERSION, SEQUENCE_BYTES,
  STATUS_INVALID_FRAME, STATUS_INVALID_KEY, STATUS_INVALID_OFFSETS, STATUS_INVALID_OPTION, STATUS_INVALID_WEIGHTS,
  STATUS_LIMIT_EXCEEDED, STATUS_STALE_ROUTING, STATUS_UNSUPPORTED_VERSION, SUBREQUEST_MAGIC, SUBREQUEST_PLAN,
  SUBREQUEST_SEGMENTS, SUBREQUEST_TIME_LEFT_US, SUBREQUEST_TRACE_ID, wireVersion, wireVersionOldest,
} from '../src/wire/layout';

/** Address of a frame's entry for a segment. */
@inline export function entryOf(head: usize, segment: u32): usize {
  return head + HEADER_BYTES + <usize>segment * SEGMENT_BYTES;
}
@inline export function flagsOf(entry: usize): u32 { return load<u32>(entry, SEGMENT_BAGS) >> 24; }
@inline export function bagsOf(entry: usize): u32 { return load<u32>(entry, SEGMENT_BAGS) & 0xffffff; }
@inline export function keysOf(entry: usize): u32 { return load<u32>(entry, SEGMENT_KEYS); }
/** Number of keys, or of bags if there are more bags. The work of pooling depends on it. */
@inline export function sizeOf(entry: usize): u32 { return max(keysOf(entry), bagsOf(entry)); }
@inline export function keyBytesOf(entry: usize): u32 { return flagsOf(entry) & FLAG_WIDE ? 8 : 4; }
/** MISSING_* + 1, or 0 for the policy of the table. */
@inline export function missingOf(entry: usize): u32 { return (flagsOf(entry) >> FLAG_MISSING_SHIFT) & 3; }

// A segment's part of the frame: keys, then offsets, then weights. u64, because a frame may claim more than it holds.
@inline export function offsetsAt(entry: usize): u64 { return <u64>keysOf(entry) * keyBytesOf(entry); }
@inline export function weightsAt(entry: usize): u64 {
  return offsetsAt(entry) + (bagsOf(entry) ? <u64>(bagsOf(entry) + 1) << 2 : 0);
}
@inline export function payloadBytes(entry: usize): u64 {
  return weightsAt(entry) + (flagsOf(entry) & FLAG_WEIGHTED ? <u64>keysOf(entry) << 2 : 0);
}

// A segment's part of the reply.
@inline export function vectorsOf(entry: usize, shard: usize): u32 {
  const pooled = load<u32>(shard, SHARD_POOLED) && !(flagsOf(entry) & FLAG_FETCH);
  return pooled ? bagsOf(entry) : keysOf(entry);
}
/** Rounded up to whole words. */
@inline export function valuesBytes(entry: usize, shard: usize): u64 {
  const vectorBytes = flagsOf(entry) & FLAG_FETCH ? load<u32>(shard, CALL_ROW_BYTES) : load<u32>(shard, CALL_DIM) << 2;
  return (<u64>vectorsOf(entry, shard) * vectorBytes + 3) & ~3;
}
@inline export function countsBytes(entry: usize, shard: usize): u64 {
  return flagsOf(entry) & FLAG_FETCH ? 0 : <u64>vectorsOf(entry, shard) << 2;
}
/** Whether its bags have denominators. The reply contains them only if the ranker divides. */
@inline export function isDenominated(entry: usize, shard: usize): bool {
  const mode = load<u32>(shard, CALL_MODE);
  return (flagsOf(entry) & FLAG_WEIGHTED) != 0 && (mode == MEAN || mode == SQRTN);
}
@inline export function denominatorsBytes(entry: usize, shard: usize): u64 {
  return isDenominated(entry, shard) && flagsOf(entry) & FLAG_PARTIAL ? <u64>bagsOf(entry) << 2 : 0;
}

// Work memory of a segment, after the outcomes of its keys: rows of ids, then results that are not part of the reply.
@inline export function roundUp(bytes: u64): u64 { return (bytes + 63) & ~63; }
@inline export function rowsOfIdsBytes(entry: usize, shard: usize): u64 {
  return load<u32>(shard, SHARD_INDEX) ? roundUp(<u64>keysOf(entry) << 2) : 0;
}
@inline function ownResultsBytes(entry: usize, shard: usize): u64 {
  const counts = flagsOf(entry) & FLAG_FETCH ? roundUp(<u64>keysOf(entry) << 2) : 0;
  return counts + (isDenominated(entry, shard) ? roundUp(<u64>bagsOf(entry) << 2) : 0);
}

/** The record of a shard, or 0 if it is not served. */
@inline export function shardOf(served: usize, entry: usize): usize {
  const number = load<u32>(entry, SEGMENT_SHARD);
  if (number >= load<u32>(served, SERVED_SHARDS)) return 0;
  return load<u32>(served + SERVED_HEADER_BYTES + (<usize>number << 2));
}

function refuse(answer: usize, status: u32, segment: u32, position: u32, value: u64): i32 {
  store<u32>(answer, status, ANSWER_STATUS);
  store<u32>(answer, segment, ANSWER_ERROR_SEGMENT);
  store<u32>(answer, position, ANSWER_ERROR_POSITION);
  store<u64>(answer, value, ANSWER_ERROR_VALUE);
  return REFUSED;
}

function invalidHeader(answer: usize, field: u32, head: usize): i32 {
  return refuse(answer, STATUS_INVALID_FRAME, 0, field, load<u32>(head + field));
}

/**
 * Reads the frame of `bytes` bytes (at least HEADER_BYTES, whole words, 4-aligned), and computes what its answer needs.
 * @param answer ANSWER_BYTES to fill in, 64-aligned
 * @param head its header and entries: in the frame, or a copy of them if others can still write to the frame
 * @returns DONE, or REFUSED
 */
export function openAnswer(answer: usize, served: usize, frame: usize, bytes: u32, head: usize): i32 {
  memory.fill(answer, 0, ANSWER_CALL);
  store<u32>(answer, <u32>served, ANSWER_SERVED);
  store<u32>(answer, <u32>head, ANSWER_HEAD);
  let status = readHeader(answer, head, bytes);
  if (status == DONE) status = readSegments(answer, frame, bytes, head);
  if (status == DONE && load<u64>(head, SUBREQUEST_PLAN) != load<u64>(served, SERVED_PLAN)) {
    status = refuse(answer, STATUS_STALE_ROUTING, 0, 0, load<u64>(served, SERVED_PLAN));
  }
  return status == DONE ? measure(answer, served, head) : status;
}

function readHeader(answer: usize, head: usize, bytes: u32): i32 {
  if (load<u32>(head, FRAME_MAGIC) != SUBREQUEST_MAGIC) return invalidHeader(answer, FRAME_MAGIC, head);
  const version = <u32>load<u16>(head, FRAME_VERSION);
  if (version < <u32>wireVersionOldest || version > <u32>wireVersion) {
    return refuse(answer, STATUS_UNSUPPORTED_VERSION, 0, 0, version);
  }
  if (load<u32>(head, FRAME_BYTES) != bytes) return invalidHeader(answer, FRAME_BYTES, head);
  // Everything that has no meaning in a version must be 0. A trace context may be anything, because no answer depends on it.
  const flags = <u32>load<u8>(head, FRAME_FLAGS);
  if (version == 1 ? load<u32>(head, FRAME_VERSION) != 1 : (flags & ~HEADER_FLAG_CHECKSUM) != 0) {
    return invalidHeader(answer, FRAME_VERSION, head);
  }
  if (version == 1) {
    for (let field = SUBREQUEST_TRACE_ID; field < HEADER_BYTES; field += 4) {
      if (load<u32>(head + field)) return invalidHeader(answer, field, head);
    }
  } else if (!flags && load<u32>(head, FRAME_CHECKSUM)) return invalidHeader(answer, FRAME_CHECKSUM, head);
  const segments = load<u32>(head, SUBREQUEST_SEGMENTS);
  if (segments > <u32>FRAME_SEGMENTS_MAX) {
    return refuse(answer, STATUS_LIMIT_EXCEEDED, 0, segments, FRAME_SEGMENTS_MAX);
  }
  if (entryOf(0, segments) > bytes) return invalidHeader(answer, SUBREQUEST_SEGMENTS, head);
  store<u32>(answer, segments, ANSWER_SEGMENTS);
  store<u32>(answer, load<u32>(head, SUBREQUEST_TIME_LEFT_US), ANSWER_TIME_LEFT_US);
  return DONE;
}

/** Checks that the segments have the lengths that they claim, and that they end with the frame. */
function readSegments(answer: usize, frame: usize, bytes: u32, head: usize): i32 {
  const segments = load<u32>(answer, ANSWER_SEGMENTS), end = <u64>frame + bytes;
  const served = <usize>load<u32>(answer, ANSWER_SERVED);
  const keysMax = load<u32>(served, SERVED_KEYS_MAX), bagsMax = load<u32>(served, SERVED_BAGS_MAX);
  let next = <u64>entryOf(frame, segments), keys: u64 = 0;
  store<u32>(answer, <u32>next, ANSWER_PAYLOAD);
  for (let i: u32 = 0; i < segments; i++) {
    const entry = entryOf(head, i), flags = flagsOf(entry), bags = bagsOf(entry);
    if (flags & ~FLAGS_KNOWN || (flags & FLAG_FETCH && (bags || flags & FLAG_WEIGHTED))) {
      return refuse(answer, STATUS_INVALID_FRAME, i, SEGMENT_BAGS, load<u32>(entry, SEGMENT_BAGS));
    }
    if (bags > bagsMax) return refuse(answer, STATUS_LIMIT_EXCEEDED, i, bags, bagsMax);
    const payload = next;
    next += payloadBytes(entry);
    if (next > end) return refuse(answer, STATUS_INVALID_FRAME, i, SEGMENT_KEYS, keysOf(entry));
    if (bags && load<u32>(<usize>(payload + offsetsAt(entry)) + (<usize>bags << 2)) != keysOf(entry)) {
      return refuse(answer, STATUS_INVALID_OFFSETS, i, bags, 0);
    }
    keys += keysOf(entry);
  }
  if (next != end) return invalidHeader(answer, FRAME_BYTES, head);
  if (keys > keysMax) return refuse(answer, STATUS_LIMIT_EXCEEDED, 0, <u32>keys, keysMax);
  store<u32>(answer, <u32>keys, ANSWER_KEYS);
  return DONE;
}

/** Checks that the shard of a segment can give what the segment asks for. @returns DONE or REFUSED */
function refusal(answer: usize, i: u32, entry: usize, shard: usize): i32 {
  if (!shard) return refuse(answer, STATUS_STALE_ROUTING, i, 0, load<u32>(entry, SEGMENT_SHARD));
  const version = load<u32>(entry, SEGMENT_VERSION), flags = flagsOf(entry), pooled = load<u32>(shard, SHARD_POOLED);
  if (version != load<u32>(shard, SHARD_VERSION)) {
    return refuse(answer, STATUS_STALE_ROUTING, i, version, load<u32>(shard, SHARD_VERSION));
  }
  if (flags & FLAG_WEIGHTED && (!pooled || load<u32>(shard, CALL_MODE) == MAX)) {
    return refuse(answer, STATUS_INVALID_WEIGHTS, i, 0, 0);
  }
  if (load<u32>(shard, SHARD_INDEX) && !(flags & FLAG_WIDE)) return refuse(answer, STATUS_INVALID_KEY, i, 0, 0);
  const defaults = missingOf(entry) == MISSING_DEFAULT + 1;
  if (defaults && load<u32>(shard, CALL_LAST_SHARD) && !load<u32>(shard, CALL_DEFAULT_ROW)) {
    return refuse(answer, STATUS_INVALID_OPTION, i, 0, 0);
  }
  if (pooled && !bagsOf(entry) && !(flags & FLAG_FETCH)) return refuse(answer, STATUS_INVALID_OFFSETS, i, 0, 0);
  return DONE;
}

/** Computes how much reply, work memory and pooling the segments need. */
function measure(answer: usize, served: usize, head: usize): i32 {
  const segments = load<u32>(answer, ANSWER_SEGMENTS);
  let values: u64 = 0, counts: u64 = 0, denominators: u64 = 0, outcomes: u64 = 0, rest: u64 = 0, weight: u64 = 0;
  let away: u32 = 0, fetches: u32 = 0, fetchedKeys: u32 = 0, updates: u32 = 0;
  for (let i: u32 = 0; i < segments; i++) {
    const entry = entryOf(head, i), shard = shardOf(served, entry);
    const status = refusal(answer, i, entry, shard);
    if (status != DONE) return status;
    values += valuesBytes(entry, shard);
    counts += countsBytes(entry, shard);
    denominators += denominatorsBytes(entry, shard);
    outcomes = max(outcomes, roundUp(keysOf(entry)));
    rest = max(rest, rowsOfIdsBytes(entry, shard) + ownResultsBytes(entry, shard));
    weight += SEGMENT_WEIGHT + <u64>sizeOf(entry) * load<u32>(shard, SHARD_KEY_WEIGHT);
    away += load<u32>(shard, SHARD_AWAY);
    updates |= load<u32>(shard, SHARD_UPDATES);
    if (flagsOf(entry) & FLAG_FETCH) {
      fetches++;
      fetchedKeys += keysOf(entry);
    }
  }
  // Version 1 has no sequences.
  const sequences = updates && load<u16>(head, FRAME_VERSION) > 1 ? segments * SEQUENCE_BYTES : 0;
  const reply = HEADER_BYTES + values + counts + denominators + sequences;
  const most = reply + (<u64>load<u32>(answer, ANSWER_KEYS) << 2), limit = load<u32>(served, SERVED_REPLY_BYTES_MAX);
  if (most > limit) return refuse(answer, STATUS_LIMIT_EXCEEDED, 0, <u32>min<u64>(most, NONE), limit);
  store<u32>(answer, <u32>reply, ANSWER_REPLY_BYTES);
  store<u32>(answer, <u32>values, ANSWER_VALUES_BYTES);
  store<u32>(answer, <u32>counts, ANSWER_COUNTS_BYTES);
  store<u32>(answer, sequences, ANSWER_SEQUENCES_BYTES);
  store<u32>(answer, <u32>outcomes, ANSWER_OUTCOMES_BYTES);
  store<u32>(answer, <u32>(outcomes + rest), ANSWER_WORK_BYTES);
  store<u32>(answer, <u32>min<u64>(weight, NONE), ANSWER_WEIGHT);
  store<u32>(answer, away, ANSWER_AWAY);
  store<u32>(answer, fetches, ANSWER_FETCHES);
  store<u32>(answer, fetchedKeys, ANSWER_FETCHED_KEYS);
  return DONE;
}
