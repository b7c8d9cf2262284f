import { meaning } from '../plan/fingerprint.ts';
import type { NumberedShard } from '../plan/routing-table.ts';
import { digestOf } from './digest.ts';

/**
 * The name of the chain of a shard, 16 hexadecimal digits. Shards have the same chain if they have the same rows: the same table,
 * version and content, cut at the same place. So batches go on if a plan puts a shard on other nodes.
 */
export function chainName({ table, shard }: Pick<NumberedShard, 'table' | 'shard'>): string {
  const text = new TextEncoder().encode(JSON.stringify(meaning(table, [shard.begin, shard.end])));
  const words = new Uint32Array(Math.ceil(text.length / 4) + 1);
  new Uint8Array(words.buffer).set(text);
  words[words.length - 1] = text.length;
  return digestOf(words).toString(16).padStart(16, '0');
}
