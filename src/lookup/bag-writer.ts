// Copies the bags of a lookup to its memory, once, in the form that `ask` reads (kernel/ask-layout.ts: FEATURE_*).
import * as layout from '../kernel/ask-layout.ts';
import { loopWordsMax } from '../limits.ts';
import { alignUp } from './asked-room.ts';
import type { BagReader, RawKeys } from './bag-reader.ts';
import type { PlanMemory } from './plan-memory.ts';

/** @param list address of the records of the features, which are 0 @param input address of the copies */
export function writeBags(plan: PlanMemory, reader: BagReader, list: number, input: number): void {
  const { words, longs, floats } = plan.memory;
  let at = input;
  for (let i = 0; i < reader.count; i++) {
    const keys = reader.keys[i];
    const offsets = reader.offsets[i];
    const weights = reader.weights[i];
    const inverse = reader.inverses[i];
    const bags = reader.bags[i];
    const record = (list + i * layout.FEATURE_BYTES) >>> 2;
    words[record + (layout.FEATURE_TABLE >>> 2)] = plan.table(reader.tables[i]);
    words[record + (layout.FEATURE_KEYS >>> 2)] = at;
    words[record + (layout.FEATURE_KEY_COUNT >>> 2)] = keys.length;
    words[record + (layout.FEATURE_KEY_BYTES >>> 2)] = keys.BYTES_PER_ELEMENT;
    words[record + (layout.FEATURE_KEY_KIND >>> 2)] = kindOf(keys);
    if (keys instanceof Uint32Array) copy(keys, words, at >>> 2);
    else longs.set(keys as BigUint64Array, at >>> 3);
    at += alignUp(keys.length * keys.BYTES_PER_ELEMENT);
    words[record + (layout.FEATURE_OFFSETS >>> 2)] = at;
    words[record + (layout.FEATURE_COUNTS >>> 2)] = reader.counts[i];
    words[record + (layout.FEATURE_GIVEN >>> 2)] = offsets.length;
    words[record + (layout.FEATURE_BAGS >>> 2)] = bags;
    if (offsets instanceof Uint32Array) copy(offsets, words, at >>> 2);
    else if (offsets instanceof Int32Array) words.set(offsets, at >>> 2);
    else longs.set(offsets as BigUint64Array, at >>> 3);
    at += alignUp(Math.max(bags + 1, offsets.length) * offsets.BYTES_PER_ELEMENT);
    if (weights !== undefined) {
      words[record + (layout.FEATURE_WEIGHTS >>> 2)] = at;
      copy(weights, floats, at >>> 2);
      at += alignUp(weights.length * 4);
    }
    if (inverse !== undefined) {
      words[record + (layout.FEATURE_INVERSE >>> 2)] = at;
      words[record + (layout.FEATURE_RESULTS >>> 2)] = inverse.length;
      words.set(inverse, at >>> 2);
      at += alignUp(inverse.length * 4);
    }
  }
}

function kindOf(keys: RawKeys): number {
  if (keys instanceof Uint32Array) return layout.KEYS_NUMBERS;
  return keys instanceof BigUint64Array ? layout.KEYS_UNSIGNED : layout.KEYS_SIGNED;
}

/** A loop copies a few elements faster than `set` does. */
export function copy<T extends Uint32Array | Float32Array>(from: T, to: T, at: number): void {
  if (from.length > loopWordsMax) to.set(from, at);
  else for (let i = 0; i < from.length; i++) to[at + i] = from[i];
}
