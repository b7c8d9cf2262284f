// Finds the bags of a feature that repeat an earlier one: the same keys with the same weights in the same order. Only
// the others are sent. In ranking, a request scores many candidates of one user, whose bags are the same for all.

import {
  ASK_AT, ASK_BAG, ASK_FOUND, ASK_NEXT, ASK_PROBE, ASK_REPEATED, ASK_WORK, FEATURE_BAGS, FEATURE_INVERSE,
  FEATURE_KEY_BYTES, FEATURE_KEY_COUNT, FEATURE_KEYS, FEATURE_OFFSETS, FEATURE_REPEATS, FEATURE_RESULTS,
  FEATURE_SENT_BAGS,
  FEATURE_SENT_OFFSETS, FEATURE_WEIGHTS, REPEAT_KEYS_MAX, REPEATS_SOUGHT,
} from '../src/kernel/ask-layout';
import { enter, seedOf, take } from './ask';
import { hashOfWords, isSame } from './words';

/** Compares the next bags with those before them, and then moves the bags to send together. */
export function findRepeats(block: usize, feature: usize, most: u32): u32 {
  const bags = load<u32>(feature, FEATURE_BAGS), begin = load<u32>(block, ASK_AT);
  if (begin > bags) return moveTogether(block, feature, most);
  const work = <usize>load<u32>(block, ASK_WORK), entries = <u32>1 << (32 - clz<u32>(2 * bags - 1));
  if (!begin) {
    memory.fill(work, 0, <usize>entries << 2);
    store<u32>(feature, <u32>take(block, <usize>bags << 2), FEATURE_INVERSE);
    store<u32>(feature, <u32>take(block, <usize>(bags + 1) << 2), FEATURE_SENT_OFFSETS);
  }
  const inverse = <usize>load<u32>(feature, FEATURE_INVERSE), firsts = <usize>load<u32>(feature, FEATURE_SENT_OFFSETS);
  const offsets = <usize>load<u32>(feature, FEATURE_OFFSETS);
  let bag = begin, found = load<u32>(block, ASK_FOUND), left = <i64>most;
  for (; bag < bags && left > 0; bag++) {
    if (bag == <u32>REPEATS_SOUGHT && found == bag) return giveUp(block, feature);
    const at = offsets + (<usize>bag << 2), keys = load<u32>(at, 4) - load<u32>(at);
    left -= keys + 1;
    const number = keys > <u32>REPEAT_KEYS_MAX ? found : numberOf(block, feature, bag, found, work, entries - 1, firsts);
    store<u32>(inverse + (<usize>bag << 2), number);
    if (number == found) {
      store<u32>(firsts + (<usize>found << 2), bag);
      found++;
    }
  }
  store<u32>(block, bag, ASK_AT);
  store<u32>(block, found, ASK_FOUND);
  if (bag < bags) return most;
  // A result of a bag that repeats another is a copy. That is worth it only if there are many.
  if (<u64>found * 4 > <u64>bags * 3) return giveUp(block, feature);
  store<u32>(block, bags + 1, ASK_AT);
  store<u32>(block, 0, ASK_BAG);
  store<u32>(block, load<u32>(block, ASK_REPEATED) + bags - found, ASK_REPEATED);
  store<u32>(feature, found, FEATURE_SENT_BAGS);
  store<u32>(feature, bags, FEATURE_RESULTS);
  store<u32>(feature, 1, FEATURE_REPEATS);
  store<u32>(block, 0, ASK_FOUND);
  return <u32>(<i64>most - left);
}

function giveUp(block: usize, feature: usize): u32 {
  store<u32>(block, load<u32>(feature, FEATURE_INVERSE), ASK_NEXT);
  store<u32>(feature, 0, FEATURE_INVERSE);
  store<u32>(feature, load<u32>(feature, FEATURE_OFFSETS), FEATURE_SENT_OFFSETS);
  enter(block, ASK_PROBE);
  return REPEATS_SOUGHT;
}

/** The number of the bag that this one repeats, or `found` if there is none. */
function numberOf(block: usize, feature: usize, bag: u32, found: u32, entries: usize, mask: u32, firsts: usize): u32 {
  const offsets = <usize>load<u32>(feature, FEATURE_OFFSETS), wide = load<u32>(feature, FEATURE_KEY_BYTES) == 8;
  const begin = <usize>load<u32>(offsets + (<usize>bag << 2)), end = load<u32>(offsets + (<usize>bag << 2), 4);
  const keys = <usize>load<u32>(feature, FEATURE_KEYS), weights = <usize>load<u32>(feature, FEATURE_WEIGHTS);
  const shift: usize = wide ? 3 : 2, bytes = (end - begin) << shift;
  const own = keys + (begin << shift), ownWeights = weights + (begin << 2);
  let place = <u32>hashOfWords(seedOf(block) ^ bytes, own, bytes) & mask, number = load<u32>(entries + (<usize>place << 2));
  while (number) {
    const other = <usize>load<u32>(firsts + (<usize>(number - 1) << 2)), at = offsets + (other << 2);
    const first = <usize>load<u32>(at);
    if ((<usize>load<u32>(at, 4) - first) << shift == bytes && isSame(own, keys + (first << shift), bytes)) {
      if (!weights || isSame(ownWeights, weights + (first << 2), (end - begin) << 2)) return number - 1;
    }
    place = (place + 1) & mask;
    number = load<u32>(entries + (<usize>place << 2));
  }
  store<u32>(entries + (<usize>place << 2), found + 1);
  return found;
}

/** Moves the keys and weights of the bags to send together. Their order stays, so each moves towards the front. */
function moveTogether(block: usize, feature: usize, most: u32): u32 {
  const offsets = <usize>load<u32>(feature, FEATURE_OFFSETS), sent = <usize>load<u32>(feature, FEATURE_SENT_OFFSETS);
  const keys = <usize>load<u32>(feature, FEATURE_KEYS), weights = <usize>load<u32>(feature, FEATURE_WEIGHTS);
  const shift: usize = load<u32>(feature, FEATURE_KEY_BYTES) == 8 ? 3 : 2, bags = load<u32>(feature, FEATURE_SENT_BAGS);
  let bag = load<u32>(block, ASK_BAG), to = load<u32>(block, ASK_FOUND), left = <i64>most;
  for (; bag < bags && left > 0; bag++) {
    const place = sent + (<usize>bag << 2), at = offsets + (<usize>load<u32>(place) << 2);
    const from = load<u32>(at), count = load<u32>(at, 4) - from;
    memory.copy(keys + (<usize>to << shift), keys + (<usize>from << shift), <usize>count << shift);
    if (weights) memory.copy(weights + (<usize>to << 2), weights + (<usize>from << 2), <usize>count << 2);
    store<u32>(place, to);
    to += count;
    left -= count + 1;
  }
  store<u32>(block, bag, ASK_BAG);
  store<u32>(block, to, ASK_FOUND);
  if (bag < bags) return most;
  store<u32>(sent + (<usize>bags << 2), to);
  store<u32>(feature, to, FEATURE_KEY_COUNT);
  enter(block, ASK_PROBE);
  return <u32>(<i64>most - left) + 1;
}
