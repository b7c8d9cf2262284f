// Answers a subrequest, one segment after the other. Each segment is pooled, gathered or fetched from the frame
// directly into the reply. There is one call per slice, whatever the frame holds.

import {
  ANSWER_CALL, ANSWER_COUNTS, ANSWER_COUNTS_BYTES, ANSWER_DENOMINATORS, ANSWER_ERROR_POSITION,
  ANSWER_ERROR_SEGMENT, ANSWER_ERROR_VALUE, ANSWER_EXCEPTIONS, ANSWER_INCARNATION, ANSWER_OUTCOMES_BYTES, ANSWER_HEAD, ANSWER_KEYS_BEFORE,
  ANSWER_INDEX_SCRATCH, ANSWER_NEAR_BYTES, ANSWER_PAYLOAD, ANSWER_REPLY, ANSWER_REPLY_BYTES, ANSWER_RESOLVED, ANSWER_SCRATCH, ANSWER_SEGMENT, ANSWER_SEGMENTS,
  ANSWER_SEQUENCES_BYTES,
  ANSWER_SERVED, ANSWER_STAGE, ANSWER_STATUS, ANSWER_VALUES, ANSWER_VALUES_BYTES, ANSWER_WEIGHT, ANSWER_WORK, REFUSED,
  RESOLVE_KEYS, SEGMENT_WEIGHT, SHARD_INDEX, SHARD_KEY_WEIGHT, SHARD_POOLED, SHARD_UPDATES, STAGE_BEGIN,
  STAGE_POOL, STAGE_RESOLVE, UPDATES_INCARNATION, UPDATES_NUMBER, UPDATES_SERVING, UPDATES_STATE,
} from '../src/kernel/answer-layout';
import {
  BAD_OFFSETS, CALL_BAG_END, CALL_BYTES, CALL_COUNTS, CALL_DENOMINATORS, CALL_ERROR_POSITION, CALL_EXCEPTIONS,
  CALL_OUTCOMES, CALL_KEY_BYTES, CALL_KEY_COUNT, CALL_KEYS, CALL_MISSING, CALL_OFFSETS, CALL_OUT, CALL_PARTIAL, CALL_SCRATCH,
  CALL_TOUCH, CALL_WEIGHTS, DONE, MORE,
} from '../src/kernel/layout';
import {
  EXCEPTION_OUTCOME_SHIFT, FLAG_FETCH, FLAG_PARTIAL, FLAG_WEIGHTED, FRAME_BYTES, FRAME_FLAGS, FRAME_ID, FRAME_MAGIC,
  FRAME_VERSION, HEADER_BYTES, HEADER_FLAG_SEQUENCES, REPLY_EXCEPTIONS, REPLY_MAGIC, SEQUENCE_BYTES, SEQUENCE_INCARNATION, SEQUENCE_NUMBER,
  STATUS_INVALID_KEY, STATUS_INVALID_OFFSETS, STATUS_UNAVAILABLE,
} from '../src/wire/layout';
import {
  bagsOf, countsBytes, denominatorsBytes, entryOf, flagsOf, isDenominated, keyBytesOf, keysOf, missingOf, offsetsAt,
  payloadBytes, rowsOfIdsBytes, shardOf, sizeOf, valuesBytes, weightsAt,
} from './frame';
import { fetch, gather } from './gather';
import { indexFind } from './index';
import { pool } from './pool';
import { approach } from './touch';

/**
 * Continues an opened answer that has memory for reply and work. A slice ends a little after `budget` bytes of rows.
 * @returns DONE if the reply is complete except for its load; MORE; or REFUSED
 */
export function answer(block: usize, budget: u32): i32 {
  const served = <usize>load<u32>(block, ANSWER_SERVED), head = <usize>load<u32>(block, ANSWER_HEAD);
  const segments = load<u32>(block, ANSWER_SEGMENTS);
  if (!load<u32>(block, ANSWER_VALUES)) start(block, served, head, segments);
  let left = <i64>budget;
  if (load<u32>(block, ANSWER_STAGE) != STAGE_BEGIN && isReplaced(block, served, head)) return unavailable(block);
  while (load<u32>(block, ANSWER_SEGMENT) < segments) {
    if (left <= 0) return MORE;
    const entry = entryOf(head, load<u32>(block, ANSWER_SEGMENT)), shard = shardOf(served, entry);
    if (load<u32>(block, ANSWER_STAGE) == STAGE_BEGIN) {
      if (!readUpdates(block, shard)) return unavailable(block);
      begin(block, entry, shard);
      left -= SEGMENT_WEIGHT;
    }
    const weight = <i64>load<u32>(shard, SHARD_KEY_WEIGHT);
    const keys = <u32>max<i64>(1, min<i64>(sizeOf(entry), left / weight));
    left -= <i64>keys * weight;
    if (load<u32>(block, ANSWER_STAGE) == STAGE_RESOLVE) {
      resolve(block, entry, shard, min(keys, RESOLVE_KEYS));
      continue;
    }
    const status = poolKeys(block, entry, shard, keys);
    if (status == DONE) finish(block, entry, shard);
    else if (status != MORE) return refuse(block, entry, status);
  }
  writeHeader(block, head);
  return DONE;
}

function start(block: usize, served: usize, head: usize, segments: u32): void {
  const values = load<u32>(block, ANSWER_REPLY) + HEADER_BYTES;
  const counts = values + load<u32>(block, ANSWER_VALUES_BYTES);
  store<u32>(block, values, ANSWER_VALUES);
  store<u32>(block, counts, ANSWER_COUNTS);
  store<u32>(block, counts + load<u32>(block, ANSWER_COUNTS_BYTES), ANSWER_DENOMINATORS);
  // Kernels write only the outcomes of keys that they do not simply pool. All segments use the same memory for
  // outcomes.
  memory.fill(load<u32>(block, ANSWER_WORK), 0, load<u32>(block, ANSWER_OUTCOMES_BYTES));
  if (isNear(block)) approachAll(block, served, head, segments);
}

function approachAll(block: usize, served: usize, head: usize, segments: u32): void {
  const group = <usize>load<u32>(block, ANSWER_SCRATCH);
  let payload = <usize>load<u32>(block, ANSWER_PAYLOAD);
  for (let i: u32 = 0; i < segments; i++) {
    const entry = entryOf(head, i), shard = shardOf(served, entry);
    const touched = load<u32>(shard, CALL_TOUCH) && !load<u32>(shard, SHARD_INDEX);
    if (touched) approach(shard, group, payload, keyBytesOf(entry), keysOf(entry));
    payload += <usize>payloadBytes(entry);
  }
}

/** Whether an answer is short. Then it touches all rows before it pools any, and waits for memory once. */
@inline function isNear(block: usize): bool { return load<u32>(block, ANSWER_WEIGHT) <= <u32>ANSWER_NEAR_BYTES; }

/**
 * Notes which updates the rows of a segment that begins have. Later slices of it may read rows that have more.
 * @returns false if the rows are being replaced
 */
function readUpdates(block: usize, shard: usize): bool {
  const updates = <usize>load<u32>(shard, SHARD_UPDATES), bytes = load<u32>(block, ANSWER_SEQUENCES_BYTES);
  if (updates && load<u32>(updates, UPDATES_STATE) != UPDATES_SERVING) return false;
  const incarnation = updates ? load<u32>(updates, UPDATES_INCARNATION) : 0;
  store<u32>(block, incarnation, ANSWER_INCARNATION);
  if (!bytes) return true;
  const end = <usize>load<u32>(block, ANSWER_REPLY) + load<u32>(block, ANSWER_REPLY_BYTES);
  const sequence = end - bytes + <usize>load<u32>(block, ANSWER_SEGMENT) * SEQUENCE_BYTES;
  store<u32>(sequence, incarnation, SEQUENCE_INCARNATION);
  store<u64>(sequence, updates ? load<u64>(updates, UPDATES_NUMBER) : 0, SEQUENCE_NUMBER);
  return true;
}

/** Whether the rows of the segment that is in progress are being replaced, or were replaced since it began. */
function isReplaced(block: usize, served: usize, head: usize): bool {
  const shard = shardOf(served, entryOf(head, load<u32>(block, ANSWER_SEGMENT)));
  const updates = <usize>load<u32>(shard, SHARD_UPDATES);
  if (!updates) return false;
  return load<u32>(updates, UPDATES_STATE) != UPDATES_SERVING
    || load<u32>(updates, UPDATES_INCARNATION) != load<u32>(block, ANSWER_INCARNATION);
}

/** Fills in the call block of a segment from the record of its shard and from the frame. */
function begin(block: usize, entry: usize, shard: usize): void {
  const call = block + ANSWER_CALL, keys = keysOf(entry), flags = flagsOf(entry);
  const payload = load<u32>(block, ANSWER_PAYLOAD), indexed = load<u32>(shard, SHARD_INDEX) != 0;
  const pooled = load<u32>(shard, SHARD_POOLED) && !(flags & FLAG_FETCH);
  memory.copy(call, shard, CALL_BYTES);
  store<u32>(call, load<u32>(block, ANSWER_SCRATCH), CALL_SCRATCH);
  const outcomes = load<u32>(block, ANSWER_WORK), rows = outcomes + load<u32>(block, ANSWER_OUTCOMES_BYTES);
  const ownCounts = rows + <u32>rowsOfIdsBytes(entry, shard);
  store<u32>(call, indexed ? rows : payload, CALL_KEYS);
  store<u32>(call, indexed ? 4 : keyBytesOf(entry), CALL_KEY_BYTES);
  store<u32>(call, keys, CALL_KEY_COUNT);
  store<u32>(call, payload + <u32>offsetsAt(entry), CALL_OFFSETS);
  if (flags & FLAG_WEIGHTED) store<u32>(call, payload + <u32>weightsAt(entry), CALL_WEIGHTS);
  store<u32>(call, u32((flags & FLAG_PARTIAL) != 0), CALL_PARTIAL);
  if (missingOf(entry)) store<u32>(call, missingOf(entry) - 1, CALL_MISSING);
  if (isNear(block) && !indexed) store<u32>(call, 0, CALL_TOUCH);
  store<u32>(call, pooled ? bagsOf(entry) : keys, CALL_BAG_END);
  store<u32>(call, load<u32>(block, ANSWER_VALUES), CALL_OUT);
  store<u32>(call, flags & FLAG_FETCH ? ownCounts : load<u32>(block, ANSWER_COUNTS), CALL_COUNTS);
  const replied = denominatorsBytes(entry, shard) != 0;
  if (isDenominated(entry, shard)) {
    store<u32>(call, replied ? load<u32>(block, ANSWER_DENOMINATORS) : ownCounts, CALL_DENOMINATORS);
  }
  store<u32>(call, outcomes, CALL_OUTCOMES);
  // Rows may end in the middle of a word. The rest of this word must not contain old data.
  const end = load<u32>(block, ANSWER_VALUES) + <u32>valuesBytes(entry, shard);
  if (flags & FLAG_FETCH && keys) store<u32>(end - 4, 0);
  store<u32>(block, indexed ? STAGE_RESOLVE : STAGE_POOL, ANSWER_STAGE);
  store<u32>(block, 0, ANSWER_RESOLVED);
}

/** Finds the rows of the next ids. */
function resolve(block: usize, entry: usize, shard: usize, most: u32): void {
  const resolved = load<u32>(block, ANSWER_RESOLVED), count = min(most, keysOf(entry) - resolved);
  const ids = <usize>load<u32>(block, ANSWER_PAYLOAD) + (<usize>resolved << 3);
  const rows = <usize>load<u32>(block + ANSWER_CALL, CALL_KEYS) + (<usize>resolved << 2);
  indexFind(load<u32>(shard, SHARD_INDEX), ids, rows, count, load<u32>(block, ANSWER_INDEX_SCRATCH));
  store<u32>(block, resolved + count, ANSWER_RESOLVED);
  if (resolved + count == keysOf(entry)) store<u32>(block, STAGE_POOL, ANSWER_STAGE);
}

@inline function poolKeys(block: usize, entry: usize, shard: usize, keys: u32): i32 {
  const call = block + ANSWER_CALL;
  if (flagsOf(entry) & FLAG_FETCH) return fetch(call, keys);
  return load<u32>(shard, SHARD_POOLED) ? pool(call, keys) : gather(call, keys);
}

/** Notes the keys that were not simply pooled, and moves on to the next segment. */
function finish(block: usize, entry: usize, shard: usize): void {
  if (load<u32>(block + ANSWER_CALL, CALL_EXCEPTIONS)) noteExceptions(block, keysOf(entry));
  advance(block, ANSWER_VALUES, <u32>valuesBytes(entry, shard));
  advance(block, ANSWER_COUNTS, <u32>countsBytes(entry, shard));
  advance(block, ANSWER_DENOMINATORS, <u32>denominatorsBytes(entry, shard));
  advance(block, ANSWER_PAYLOAD, <u32>payloadBytes(entry));
  advance(block, ANSWER_KEYS_BEFORE, keysOf(entry));
  advance(block, ANSWER_SEGMENT, 1);
  store<u32>(block, STAGE_BEGIN, ANSWER_STAGE);
}

@inline function advance(block: usize, field: usize, by: u32): void {
  store<u32>(block + field, load<u32>(block + field) + by);
}

function noteExceptions(block: usize, keys: u32): void {
  const outcomes = <usize>load<u32>(block, ANSWER_WORK), before = load<u32>(block, ANSWER_KEYS_BEFORE);
  const exceptions = <usize>load<u32>(block, ANSWER_REPLY) + load<u32>(block, ANSWER_REPLY_BYTES);
  let next = exceptions + (<usize>load<u32>(block, ANSWER_EXCEPTIONS) << 2);
  for (let i: u32 = 0; i < keys; i++) {
    const outcome = <u32>load<u8>(outcomes + i);
    if (!outcome) continue;
    store<u8>(outcomes + i, 0);
    store<u32>(next, (before + i) | (outcome << EXCEPTION_OUTCOME_SHIFT));
    next += 4;
  }
  store<u32>(block, <u32>(next - exceptions) >> 2, ANSWER_EXCEPTIONS);
}

/** Refuses an answer because a kernel found wrong keys or offsets in a segment. */
function refuse(block: usize, entry: usize, status: i32): i32 {
  const position = load<u32>(block + ANSWER_CALL, CALL_ERROR_POSITION), wide = keyBytesOf(entry) == 8;
  const key = <usize>load<u32>(block, ANSWER_PAYLOAD) + <usize>position * keyBytesOf(entry);
  store<u32>(block, status == BAD_OFFSETS ? STATUS_INVALID_OFFSETS : STATUS_INVALID_KEY, ANSWER_STATUS);
  store<u32>(block, load<u32>(block, ANSWER_SEGMENT), ANSWER_ERROR_SEGMENT);
  store<u32>(block, position, ANSWER_ERROR_POSITION);
  store<u64>(block, status == BAD_OFFSETS ? 0 : wide ? load<u64>(key) : <u64>load<u32>(key), ANSWER_ERROR_VALUE);
  return REFUSED;
}

/** Refuses an answer because the rows of the current segment are being replaced. */
function unavailable(block: usize): i32 {
  store<u32>(block, STATUS_UNAVAILABLE, ANSWER_STATUS);
  store<u32>(block, load<u32>(block, ANSWER_SEGMENT), ANSWER_ERROR_SEGMENT);
  return REFUSED;
}

function writeHeader(block: usize, head: usize): void {
  const reply = <usize>load<u32>(block, ANSWER_REPLY), exceptions = load<u32>(block, ANSWER_EXCEPTIONS);
  memory.fill(reply, 0, HEADER_BYTES);
  store<u32>(reply, REPLY_MAGIC, FRAME_MAGIC);
  // The reply has the version of the subrequest, and carries a checksum if the subrequest did.
  store<u16>(reply, load<u16>(head, FRAME_VERSION), FRAME_VERSION);
  const sequences: u32 = load<u32>(block, ANSWER_SEQUENCES_BYTES) ? HEADER_FLAG_SEQUENCES : 0;
  store<u8>(reply, load<u8>(head, FRAME_FLAGS) | sequences, FRAME_FLAGS);
  store<u32>(reply, load<u32>(block, ANSWER_REPLY_BYTES) + (exceptions << 2), FRAME_BYTES);
  store<u32>(reply, load<u32>(head, FRAME_ID), FRAME_ID);
  store<u32>(reply, exceptions, REPLY_EXCEPTIONS);
}
