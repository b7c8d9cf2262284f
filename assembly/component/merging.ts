// The component's merge.
import {
  MERGE_BAGS, MERGE_BYTES, MERGE_COUNTS, MERGE_DENOMINATORS, MERGE_DIM, MERGE_MODE, MERGE_OUT, MERGE_OUT_COUNTS,
  MERGE_OUT_DENOMINATORS, MERGE_PARTIALS,
} from '../../src/kernel/layout';
import { hasDenominator } from '../divide';
import { divide, merge as mergePartials } from '../merge';
import { give, take } from './memory';
import {
  addressOf, COUNTS, DENOMINATORS, done, OUTCOMES, failed, freeLists, hasList, INVALID_BAGS, isPartial, lengthOf, POOLED_BYTES,
  setList, setOption, setPartial, VALUES,
} from './result';

const BLOCK = memory.data(MERGE_BYTES, 16);

@inline function holds(partial: usize, list: usize, bags: usize): bool {
  return hasList(partial, list) && lengthOf(partial, list) == bags;
}

/** @param partials `pooled` [count]. The first one decides whether bags are weighted */
export function merge(mode: u32, dim: u32, partials: usize, count: u32): usize {
  const end = partials + count * POOLED_BYTES;
  const denominated = hasDenominator(mode, count != 0 && hasList(partials, DENOMINATORS));
  const bags = count && hasList(partials, COUNTS) ? lengthOf(partials, COUNTS) : 0;
  let result: usize = 0;
  for (let partial = partials; partial < end && result == 0; partial += POOLED_BYTES) {
    const fits = isPartial(partial) && <u64>lengthOf(partial, VALUES) == <u64>bags * dim && holds(partial, COUNTS, bags);
    const weighs = denominated ? holds(partial, DENOMINATORS, bags) : !hasDenominator(mode, hasList(partial, DENOMINATORS));
    if (!fits || !weighs) result = failed(INVALID_BAGS, (partial - partials) / POOLED_BYTES);
  }
  if (result == 0) {
    const out = take(bags * dim << 2), counts = take(bags << 2), denominators = denominated ? take(bags << 2) : 0;
    memory.fill(counts, 0, bags << 2);
    if (denominated) memory.fill(denominators, 0, bags << 2);
    // If there are no partials, nothing is merged and nothing is divided.
    store<u32>(BLOCK, bags, MERGE_BAGS);
    store<u32>(BLOCK, dim, MERGE_DIM);
    store<u32>(BLOCK, mode, MERGE_MODE);
    store<u32>(BLOCK, out, MERGE_OUT);
    store<u32>(BLOCK, counts, MERGE_OUT_COUNTS);
    store<u32>(BLOCK, denominators, MERGE_OUT_DENOMINATORS);
    for (let partial = partials; partial < end; partial += POOLED_BYTES) {
      store<u32>(BLOCK, addressOf(partial, VALUES), MERGE_PARTIALS);
      store<u32>(BLOCK, addressOf(partial, COUNTS), MERGE_COUNTS);
      store<u32>(BLOCK, denominated ? addressOf(partial, DENOMINATORS) : 0, MERGE_DENOMINATORS);
      mergePartials(BLOCK);
    }
    divide(BLOCK);
    setList(VALUES, out, bags * dim);
    setOption(COUNTS, counts, bags);
    setOption(DENOMINATORS, denominators, bags);
    setOption(OUTCOMES, 0, 0);
    setPartial(false);
    result = done();
  }
  for (let partial = partials; partial < end; partial += POOLED_BYTES) freeLists(partial);
  give(partials, count * POOLED_BYTES);
  return result;
}
