// Draws problems from a seed, and writes them to memory as an image (../image.ts).
import {
  CALL_BAG_END, CALL_BYTES, CALL_COUNTS, CALL_DEFAULT_ROW, CALL_DENOMINATORS, CALL_DIM, CALL_DTYPE, CALL_OUTCOMES,
  CALL_FINITE, CALL_KEY_BYTES, CALL_KEY_COUNT, CALL_KEYS, CALL_LAST_SHARD, CALL_MISSING, CALL_MODE, CALL_OFFSETS,
  CALL_OUT, CALL_PADDING, CALL_PARTIAL, CALL_ROW_BASE, CALL_ROW_BYTES, CALL_ROWS, CALL_SCRATCH, CALL_TABLE,
  CALL_TABLE_ROWS, CALL_TOUCH, CALL_WEIGHTS, F16, MAX, MERGE_BAGS, MERGE_BYTES, MERGE_COUNTS, MERGE_DENOMINATORS,
  MERGE_DIM, MERGE_MODE, MERGE_OUT, MERGE_OUT_COUNTS, MERGE_OUT_DENOMINATORS, MERGE_PARTIALS, NONE, SCRATCH_BYTES,
} from '../../../src/kernel/layout';
import {
  IMAGE, IMAGE_BUDGET, IMAGE_BYTES, IMAGE_HEADER_BYTES, IMAGE_MERGE_BLOCKS, IMAGE_MERGES, IMAGE_OUTPUTS,
  IMAGE_POOL_BLOCKS, IMAGE_POOLS,
} from '../image';
import { below, next, once } from './random';
import { drawF32, drawRow, PLAIN, rowBytes, SPECIAL } from './values';

let free: usize = 0;

/** Allocates the next `bytes` bytes, on a cache line and zeroed. */
function take(bytes: usize): usize {
  const at = free;
  free = (at + bytes + 63) & ~63;
  while (<usize>memory.size() << 16 < free) if (memory.grow(1) < 0) unreachable();
  memory.fill(at, 0, free - at);
  return at;
}

function drawDim(): u32 {
  if (!once(3)) return 1 + below(70);
  switch (below(6)) {
    case 0: return 16;
    case 1: return 32;
    case 2: return 64;
    case 3: return 128;
    case 4: return 256;
    default: return 71 + below(230);
  }
}

/** Draws a key past the end of a table of `rows` rows. */
function drawPast(rows: u32, wide: bool): u64 {
  switch (below(wide ? 8 : 4)) {
    case 0: return rows;
    case 1: return <u64>rows + 1;
    case 2: return 0xffffffff;
    case 3: return 0x80000000;
    case 4: return 0x100000000;
    case 5: return 0x100000001;
    case 6: return 0x1fffffffffffff;
    default: return 0x8000000000000000;
  }
}

/** Draws the next problem from the seed. */
export function draw(): void {
  free = IMAGE;
  take(IMAGE_HEADER_BYTES);
  const dtype = below(4), mode = below(4), weighted = mode != MAX && once(2), dim = drawDim(), rows: u32 = 1 + below(60);
  const values = below(3), wide = once(2), missing = below(3), padded = once(2), past = once(3), touch = below(2);
  const budget = once(2) ? NONE : 1 + below(300), shards = min<u32>(rows, once(3) ? 2 + below(3) : 1), bags = below(12);
  const bytes = rowBytes(dtype, dim);
  const table = take((rows + 1) * bytes), defaultRow = table + rows * bytes;
  for (let row: u32 = 0; row < rows + 1; row++) drawRow(table + row * bytes, bytes, dtype, dim, once(2) ? values : values & ~SPECIAL);
  const offsets = take((bags + 1) << 2);
  for (let bag: u32 = 0; bag < bags; bag++) {
    const length = once(2) ? below(6) : below(dim > 128 ? 40 : 200);
    store<u32>(offsets + (bag << 2), load<u32>(offsets + (bag << 2)) + length, 4);
  }
  const count = load<u32>(offsets + (bags << 2));
  const padding = padded ? below(rows) : NONE, keys = take(count << 3), weights = weighted ? take(count << 2) : 0;
  for (let i: u32 = 0; i < count; i++) {
    let key: u64 = below(rows);
    if (padded && once(5)) key = padding;
    else if (past && once(40)) key = drawPast(rows, wide);
    if (wide) store<u64>(keys + (i << 3), key);
    else store<u32>(keys + (i << 2), <u32>key);
    if (weighted) store<u32>(weights + (i << 2), drawF32(values == SPECIAL && once(5) ? SPECIAL : PLAIN));
  }
  const outBytes = (bags * dim) << 2, outcomes = take(count), scratch = take(SCRATCH_BYTES);
  const blocks = take(shards * CALL_BYTES), merges = take(shards * MERGE_BYTES);
  const out = take(outBytes), counts = take(bags << 2), denominators = take(bags << 2);
  for (let shard: u32 = 0; shard < shards; shard++) {
    const call = blocks + shard * CALL_BYTES, begin = rows * shard / shards, end = rows * (shard + 1) / shards;
    const merged = shards > 1;
    store<u32>(call, table + begin * bytes, CALL_TABLE);
    store<u32>(call, end - begin, CALL_ROWS);
    store<u32>(call, begin, CALL_ROW_BASE);
    store<u32>(call, rows, CALL_TABLE_ROWS);
    store<u32>(call, bytes, CALL_ROW_BYTES);
    store<u32>(call, dim, CALL_DIM);
    store<u32>(call, dtype, CALL_DTYPE);
    store<u32>(call, u32(values != SPECIAL), CALL_FINITE);
    store<u32>(call, mode, CALL_MODE);
    store<u32>(call, u32(merged), CALL_PARTIAL);
    store<u32>(call, touch, CALL_TOUCH);
    store<u32>(call, keys, CALL_KEYS);
    store<u32>(call, wide ? 8 : 4, CALL_KEY_BYTES);
    store<u32>(call, count, CALL_KEY_COUNT);
    store<u32>(call, offsets, CALL_OFFSETS);
    store<u32>(call, weights, CALL_WEIGHTS);
    store<u32>(call, bags, CALL_BAG_END);
    store<u32>(call, padding, CALL_PADDING);
    store<u32>(call, missing, CALL_MISSING);
    store<u32>(call, defaultRow, CALL_DEFAULT_ROW);
    store<u32>(call, u32(shard == shards - 1), CALL_LAST_SHARD);
    store<u32>(call, merged ? take(outBytes) : out, CALL_OUT);
    store<u32>(call, merged ? take(bags << 2) : counts, CALL_COUNTS);
    store<u32>(call, merged ? take(bags << 2) : denominators, CALL_DENOMINATORS);
    store<u32>(call, outcomes, CALL_OUTCOMES);
    store<u32>(call, scratch, CALL_SCRATCH);
    if (!merged) continue;
    const block = merges + shard * MERGE_BYTES;
    store<u32>(block, bags, MERGE_BAGS);
    store<u32>(block, dim, MERGE_DIM);
    store<u32>(block, mode, MERGE_MODE);
    store<u32>(block, load<u32>(call, CALL_OUT), MERGE_PARTIALS);
    store<u32>(block, load<u32>(call, CALL_COUNTS), MERGE_COUNTS);
    store<u32>(block, weighted ? load<u32>(call, CALL_DENOMINATORS) : 0, MERGE_DENOMINATORS);
    store<u32>(block, out, MERGE_OUT);
    store<u32>(block, counts, MERGE_OUT_COUNTS);
    store<u32>(block, weighted ? denominators : 0, MERGE_OUT_DENOMINATORS);
  }
  store<u32>(IMAGE, free - IMAGE, IMAGE_BYTES);
  store<u32>(IMAGE, shards, IMAGE_POOLS);
  store<u32>(IMAGE, blocks, IMAGE_POOL_BLOCKS);
  store<u32>(IMAGE, budget, IMAGE_BUDGET);
  store<u32>(IMAGE, shards > 1 ? shards : 0, IMAGE_MERGES);
  store<u32>(IMAGE, merges, IMAGE_MERGE_BLOCKS);
  const outputs: usize = IMAGE + IMAGE_OUTPUTS;
  store<u32>(outputs, out);
  store<u32>(outputs, outBytes, 4);
  store<u32>(outputs, counts, 8);
  store<u32>(outputs, bags << 2, 12);
  store<u32>(outputs, outcomes, 16);
  store<u32>(outputs, count, 20);
}
