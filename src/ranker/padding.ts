// Padding keys are never pooled or counted, so they are removed before the bags are cut and sent to nodes.
import { type KeyBags, pick, pickWeights } from './cut.ts';
import type { RoutedTable } from './routed-table.ts';

/** Removes padding keys, except in mode `none`, which has a vector for each key. */
export function withoutPadding({ padding, indexed, mode }: RoutedTable, bags: KeyBags): KeyBags {
  if (padding === undefined || mode === 'none') return bags;
  const wordsPerKey = indexed ? 2 : 1;
  const padded = positionsOf(padding, bags.keys, wordsPerKey);
  if (padded.length === 0) return bags;
  const count = bags.keys.length / wordsPerKey;
  const positions = new Uint32Array(count - padded.length);
  for (let i = 0, before = 0; i < count; i++) {
    if (i === padded[before]) before++;
    else positions[i - before] = i;
  }
  let before = 0;
  const offsets = bags.offsets.map((offset) => {
    while (padded[before] < offset) before++;
    return offset - before;
  });
  const weights = bags.weights && pickWeights(bags.weights, positions);
  return { keys: pick(bags.keys, positions, wordsPerKey), offsets, weights, positions, padded };
}

/** The positions of a key, given as two words, in `keys`. */
function positionsOf(key: Uint32Array, keys: Uint32Array, wordsPerKey: number): Uint32Array {
  const found: number[] = [];
  for (let at = keys.indexOf(key[0]); at >= 0; at = keys.indexOf(key[0], at + 1))
    if (wordsPerKey === 1 || (at % 2 === 0 && keys[at + 1] === key[1])) found.push(at / wordsPerKey);
  return Uint32Array.from(found);
}
