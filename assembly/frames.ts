// The last steps of `ask`: segments are assigned to frames within the limits of their nodes, and the frames are written.

import {
  ASK_AT, ASK_ERROR_FEATURE, ASK_ERROR_POSITION, ASK_ERROR_SEGMENT, ASK_ERROR_VALUE, ASK_DONE, ASK_FRAME_LIST,
  ASK_FRAMES, ASK_NEXT, ASK_PLAN, ASK_SEGMENTS, ASK_SPLIT_KEYS, ASK_STATUS, ASK_WORK, ASK_WRITE, ASKED_BAGS, ASKED_COUNTS_AT,
  ASKED_DENOMINATORS_AT, ASKED_FEATURE, ASKED_FIRST_KEY, ASKED_FLAGS, ASKED_FRAME, ASKED_KEY_COUNT, ASKED_KEYS,
  ASKED_NUMBER, ASKED_OFFSETS, ASKED_PLACE, ASKED_RESULTS, ASKED_UNIQUE, ASKED_UNIQUE_COUNT, ASKED_VALUES_AT,
  ASKED_WEIGHTS, FEATURE_TABLE, NODE_BYTES, NODE_KEYS, NODE_READS_ROWS, NODE_REPLY_BYTES, NODE_SUBREQUEST_BYTES,
  PLACE_NODE, PLACE_NUMBER, PLAN_NODE_COUNT, PLAN_NODES, SENT_ADDRESS, SENT_BYTES, SENT_COUNTS_BYTES, SENT_KEYS,
  SENT_NEXT_COUNTS, SENT_NEXT_DENOMINATORS, SENT_NEXT_ENTRY, SENT_NEXT_KEY, SENT_NEXT_PAYLOAD, SENT_NEXT_VALUES,
  SENT_NODE, SENT_READS, SENT_RECORD_BYTES, SENT_REPLY_BYTES, SENT_REPLY_BYTES_MAX, SENT_SEGMENTS, SENT_TAIL, SENT_VALUES_BYTES,
  TABLE_DIM, TABLE_HAS_PADDING, TABLE_PADDING, TABLE_ROW_BYTES, TABLE_ROWS, TABLE_VERSION, TOO_LARGE,
} from '../src/kernel/ask-layout';
import { FRAME_SEGMENTS_MAX } from '../src/kernel/answer-layout';
import {
  FLAG_WEIGHTED, FLAG_WIDE, FRAME_BYTES, FRAME_MAGIC, HEADER_BYTES, SEGMENT_BAGS, SEGMENT_BYTES, SEGMENT_KEYS,
  SEGMENT_SHARD, SEGMENT_VERSION, SEQUENCE_BYTES, SUBREQUEST_MAGIC, SUBREQUEST_SEGMENTS,
} from '../src/wire/layout';
import { enter, featureOf, segmentOf, take } from './ask';
import { isDenominatedPartial } from './choose';

@inline function tableOf(block: usize, segment: usize): usize {
  return load<u32>(featureOf(block, load<u32>(segment, ASKED_FEATURE)), FEATURE_TABLE);
}
/** Number of keys that the frame carries for a segment. */
@inline export function keysSent(segment: usize): u32 {
  return load<u32>(segment, ASKED_UNIQUE) ? load<u32>(segment, ASKED_UNIQUE_COUNT) : load<u32>(segment, ASKED_KEY_COUNT);
}
@inline export function isFetched(segment: usize): bool { return load<u32>(segment, ASKED_UNIQUE) != 0; }
@inline function keysBytes(segment: usize): u64 {
  return <u64>keysSent(segment) << (load<u32>(segment, ASKED_FLAGS) & FLAG_WIDE ? 3 : 2);
}
@inline function offsetsBytes(segment: usize): u64 {
  const bags = load<u32>(segment, ASKED_BAGS);
  return bags && !isFetched(segment) ? <u64>(bags + 1) << 2 : 0;
}
@inline function weightsBytes(segment: usize): u64 {
  return load<u32>(segment, ASKED_FLAGS) & FLAG_WEIGHTED ? <u64>load<u32>(segment, ASKED_KEY_COUNT) << 2 : 0;
}
/** Number of vectors or rows that the reply has for a segment. */
@inline export function vectorsSent(segment: usize): u32 {
  return isFetched(segment) ? load<u32>(segment, ASKED_UNIQUE_COUNT) : load<u32>(segment, ASKED_RESULTS);
}
@inline export function valuesSent(segment: usize, table: usize): u64 {
  const each = isFetched(segment) ? load<u32>(table, TABLE_ROW_BYTES) : load<u32>(table, TABLE_DIM) << 2;
  return (<u64>vectorsSent(segment) * each + 3) & ~3;
}
@inline function countsSent(segment: usize): u64 { return isFetched(segment) ? 0 : <u64>vectorsSent(segment) << 2; }
@inline function denominatorsSent(segment: usize, table: usize): u64 {
  return isDenominatedPartial(load<u32>(segment, ASKED_FLAGS), table) ? <u64>vectorsSent(segment) << 2 : 0;
}

/** Assigns every segment to a frame. @returns the keys that it is worth */
export function assignFrames(block: usize): u32 {
  const plan = <usize>load<u32>(block, ASK_PLAN), nodes = load<u32>(plan, PLAN_NODE_COUNT);
  const current = <usize>load<u32>(block, ASK_WORK), segments = load<u32>(block, ASK_SEGMENTS);
  // The current frame of each node: for segments that it pools, and for rows that can be read without it.
  memory.fill(current, 0, <usize>nodes << 3);
  store<u32>(block, load<u32>(block, ASK_NEXT), ASK_FRAME_LIST);
  for (let i: u32 = 0; i < segments; i++) {
    if (!assign(block, plan, current, i)) return segments;
  }
  for (let i: u32 = 0; i < load<u32>(block, ASK_FRAMES); i++) open(block, frameOf(block, i));
  enter(block, ASK_WRITE);
  return segments;
}

@inline export function frameOf(block: usize, index: u32): usize {
  return <usize>load<u32>(block, ASK_FRAME_LIST) + <usize>index * SENT_RECORD_BYTES;
}

/** @returns false if the segment is too large for its node */
function assign(block: usize, plan: usize, current: usize, index: u32): bool {
  const segment = segmentOf(block, index), table = tableOf(block, segment);
  const number = load<u32>(load<u32>(segment, ASKED_PLACE), PLACE_NODE);
  const node = <usize>load<u32>(plan, PLAN_NODES) + <usize>number * NODE_BYTES;
  const keys = keysSent(segment), values = valuesSent(segment, table), counts = countsSent(segment);
  const bytes = SEGMENT_BYTES + keysBytes(segment) + offsetsBytes(segment) + weightsBytes(segment);
  const reply = values + counts + denominatorsSent(segment, table), most = reply + (<u64>keys << 2);
  if (HEADER_BYTES + bytes > load<u32>(node, NODE_SUBREQUEST_BYTES)) {
    return tooLarge(block, segment, index, NODE_SUBREQUEST_BYTES, bytes);
  }
  if (HEADER_BYTES + most > load<u32>(node, NODE_REPLY_BYTES)) {
    return tooLarge(block, segment, index, NODE_REPLY_BYTES, most);
  }
  if (keys > load<u32>(node, NODE_KEYS)) return tooLarge(block, segment, index, NODE_KEYS, keys);
  const reads: u32 = u32(load<u32>(node, NODE_READS_ROWS) && isReadable(segment, table));
  const slot = current + (<usize>number << 3) + (reads << 2);
  let frame = <usize>load<u32>(slot);
  const split = load<u32>(block, ASK_SPLIT_KEYS);
  const full = split && frame && load<u32>(frame, SENT_KEYS) + keys > split;
  if (!frame || full || !fits(frame, node, bytes, most, keys)) {
    frame = addFrame(block, number, reads);
    store<u32>(slot, <u32>frame);
  }
  const segments = load<u32>(frame, SENT_SEGMENTS);
  store<u32>(segment, <u32>frame, ASKED_FRAME);
  store<u32>(segment, segments, ASKED_NUMBER);
  store<u32>(frame, segments + 1, SENT_SEGMENTS);
  add(frame, SENT_KEYS, keys);
  add(frame, SENT_BYTES, <u32>bytes);
  add(frame, SENT_REPLY_BYTES, <u32>reply);
  add(frame, SENT_REPLY_BYTES_MAX, <u32>most + SEQUENCE_BYTES);
  add(frame, SENT_VALUES_BYTES, <u32>values);
  add(frame, SENT_COUNTS_BYTES, <u32>counts);
  return true;
}

@inline function add(frame: usize, field: usize, by: u32): void {
  store<u32>(frame + field, load<u32>(frame + field) + by);
}

function tooLarge(block: usize, segment: usize, index: u32, limit: u32, value: u64): bool {
  store<u32>(block, TOO_LARGE, ASK_STATUS);
  store<u32>(block, load<u32>(segment, ASKED_FEATURE), ASK_ERROR_FEATURE);
  store<u32>(block, index, ASK_ERROR_SEGMENT);
  store<u32>(block, limit, ASK_ERROR_POSITION);
  store<u64>(block, value, ASK_ERROR_VALUE);
  return false;
}

/** Whether one more segment keeps a frame within the limits of its node. */
function fits(frame: usize, node: usize, bytes: u64, most: u64, keys: u32): bool {
  const segments = load<u32>(frame, SENT_SEGMENTS);
  const reply = <u64>load<u32>(frame, SENT_REPLY_BYTES_MAX) - <u64>segments * SEQUENCE_BYTES + most;
  return load<u32>(frame, SENT_BYTES) + bytes <= load<u32>(node, NODE_SUBREQUEST_BYTES)
    && reply <= load<u32>(node, NODE_REPLY_BYTES)
    && <u64>load<u32>(frame, SENT_KEYS) + keys <= load<u32>(node, NODE_KEYS)
    && segments < <u32>FRAME_SEGMENTS_MAX;
}

/** Whether a segment asks for rows by their numbers, and every key is an existing row other than the padding row. */
function isReadable(segment: usize, table: usize): bool {
  if (!isFetched(segment) || load<u32>(segment, ASKED_FLAGS) & FLAG_WIDE) return false;
  const keys = <usize>load<u32>(segment, ASKED_UNIQUE), count = load<u32>(segment, ASKED_UNIQUE_COUNT);
  const rows = load<u32>(table, TABLE_ROWS), pads = load<u32>(table, TABLE_HAS_PADDING);
  for (let i: usize = 0; i < count; i++) {
    const key = load<u32>(keys + (i << 2));
    if (key >= rows || (pads && <u64>key == load<u64>(table, TABLE_PADDING))) return false;
  }
  return true;
}

function addFrame(block: usize, node: u32, reads: u32): usize {
  const frame = take(block, SENT_RECORD_BYTES);
  memory.fill(frame, 0, SENT_RECORD_BYTES);
  store<u32>(block, load<u32>(block, ASK_FRAMES) + 1, ASK_FRAMES);
  store<u32>(frame, node, SENT_NODE);
  store<u32>(frame, reads, SENT_READS);
  store<u32>(frame, HEADER_BYTES, SENT_BYTES);
  store<u32>(frame, HEADER_BYTES, SENT_REPLY_BYTES);
  store<u32>(frame, HEADER_BYTES, SENT_REPLY_BYTES_MAX);
  return frame;
}

/** Takes memory for a frame, and writes those fields of its header that do not depend on how it is sent. */
function open(block: usize, frame: usize): void {
  const bytes = load<u32>(frame, SENT_BYTES), segments = load<u32>(frame, SENT_SEGMENTS), head = take(block, bytes);
  memory.fill(head, 0, HEADER_BYTES);
  store<u32>(head, SUBREQUEST_MAGIC, FRAME_MAGIC);
  store<u32>(head, bytes, FRAME_BYTES);
  store<u32>(head, segments, SUBREQUEST_SEGMENTS);
  const entries = <u32>head + HEADER_BYTES, counts = HEADER_BYTES + load<u32>(frame, SENT_VALUES_BYTES);
  store<u32>(frame, <u32>head, SENT_ADDRESS);
  const tail = load<u32>(frame, SENT_REPLY_BYTES) - HEADER_BYTES - load<u32>(frame, SENT_VALUES_BYTES);
  store<u32>(frame, <u32>take(block, tail), SENT_TAIL);
  store<u32>(frame, entries, SENT_NEXT_ENTRY);
  store<u32>(frame, entries + segments * SEGMENT_BYTES, SENT_NEXT_PAYLOAD);
  store<u32>(frame, HEADER_BYTES, SENT_NEXT_VALUES);
  store<u32>(frame, counts, SENT_NEXT_COUNTS);
  store<u32>(frame, counts + load<u32>(frame, SENT_COUNTS_BYTES), SENT_NEXT_DENOMINATORS);
}

/** Writes the next segments to their frames. */
export function writeFrames(block: usize, most: u32): u32 {
  const segments = load<u32>(block, ASK_SEGMENTS);
  let i = load<u32>(block, ASK_AT), left = <i64>most;
  for (; i < segments && left > 0; i++) left -= 1 + write(block, segmentOf(block, i));
  store<u32>(block, i, ASK_AT);
  if (i == segments) enter(block, ASK_DONE);
  return <u32>(<i64>most - left) + 1;
}

/** @returns its number of keys */
function write(block: usize, segment: usize): u32 {
  const table = tableOf(block, segment), frame = <usize>load<u32>(segment, ASKED_FRAME), keys = keysSent(segment);
  const entry = <usize>load<u32>(frame, SENT_NEXT_ENTRY), offsets = <usize>offsetsBytes(segment);
  store<u32>(entry, load<u32>(load<u32>(segment, ASKED_PLACE), PLACE_NUMBER), SEGMENT_SHARD);
  store<u32>(entry, load<u32>(table, TABLE_VERSION), SEGMENT_VERSION);
  const bags = offsets ? load<u32>(segment, ASKED_BAGS) : 0;
  store<u32>(entry, bags | (load<u32>(segment, ASKED_FLAGS) << 24), SEGMENT_BAGS);
  store<u32>(entry, keys, SEGMENT_KEYS);
  const sent = isFetched(segment) ? load<u32>(segment, ASKED_UNIQUE) : load<u32>(segment, ASKED_KEYS);
  let to = <usize>load<u32>(frame, SENT_NEXT_PAYLOAD);
  to = copied(to, sent, <usize>keysBytes(segment));
  to = copied(to, load<u32>(segment, ASKED_OFFSETS), offsets);
  to = copied(to, load<u32>(segment, ASKED_WEIGHTS), <usize>weightsBytes(segment));
  store<u32>(frame, <u32>to, SENT_NEXT_PAYLOAD);
  store<u32>(frame, <u32>entry + SEGMENT_BYTES, SENT_NEXT_ENTRY);
  advance(frame, segment, SENT_NEXT_VALUES, ASKED_VALUES_AT, <u32>valuesSent(segment, table));
  advance(frame, segment, SENT_NEXT_COUNTS, ASKED_COUNTS_AT, <u32>countsSent(segment));
  advance(frame, segment, SENT_NEXT_DENOMINATORS, ASKED_DENOMINATORS_AT, <u32>denominatorsSent(segment, table));
  advance(frame, segment, SENT_NEXT_KEY, ASKED_FIRST_KEY, keys);
  return keys;
}

/** Gives a segment the next `size` of a part of the reply. */
@inline function advance(frame: usize, segment: usize, field: usize, place: usize, size: u32): void {
  const at = load<u32>(frame + field);
  store<u32>(segment + place, at);
  store<u32>(frame + field, at + size);
}

/** @returns the end of the copy */
@inline function copied(to: usize, from: usize, bytes: usize): usize {
  // A call to copy a few words takes longer than a loop.
  if (bytes > 96) memory.copy(to, from, bytes);
  else for (let i: usize = 0; i < bytes; i += 4) store<u32>(to + i, load<u32>(from + i));
  return to + bytes;
}
