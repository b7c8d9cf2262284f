import { holdersOf, type PlannedShard, type PlannedTable, type RoutingTable } from './routing-table.ts';
import { paddingKey } from './table-spec.ts';

/**
 * A u64 that is equal for two routing tables if shards with the same number hold the same rows, on the same nodes, and
 * pool them in the same way; otherwise it differs. Addresses and capacities do not count.
 */
export function fingerprint({ tables }: RoutingTable): bigint {
  const hash = new Fnv1a();
  const utf8 = new TextEncoder();
  for (const table of tables) {
    const bounds = table.shards.map((shard) => [placeOf(shard), shard.begin, shard.end]);
    hash.add(utf8.encode(`${JSON.stringify(meaning(table, bounds))}\n`));
  }
  return hash.value;
}

/** A fingerprint as 16 hexadecimal digits, as nodes and clusters name plans. */
export function planText(fingerprint: bigint): string {
  return fingerprint.toString(16).padStart(16, '0');
}

/** The fingerprint of a routing table in this form. */
export function planName(routing: RoutingTable): string {
  return planText(fingerprint(routing));
}

/** Who holds a shard: in any order, because all of its holders are alike. */
function placeOf(shard: PlannedShard): string | string[] {
  return shard.replicas === undefined ? shard.node : holdersOf(shard).toSorted();
}

/** The parts of a table that count, in a canonical form. @param bounds of its shards */
export function meaning(
  { spec, version, indexed, content, updates }: PlannedTable,
  bounds: unknown,
): unknown {
  const { name, rows, dim, mode, dtype = 'f32', missing = 'error', defaultRow } = spec;
  const absent = missing === 'default' ? defaultRow?.map(float) : missing;
  const padding = paddingKey(spec, indexed)?.toString() ?? null;
  const all = [name, rows, dim, mode, dtype, padding, absent, version, indexed, bounds];
  // Older plans have no content and no updates, and must keep the fingerprint that they had.
  const known = content === undefined ? all : [...all, content];
  return updates ? [...known, 'updates'] : known;
}

/** A default row is stored as f32 at most. It is text here, because JSON has no −0 and no infinities. */
function float(value: number): string {
  const rounded = Math.fround(value);
  return Object.is(rounded, -0) ? '-0' : String(rounded);
}

/** 64-bit FNV-1a, in two u32 words: a plan may have many megabytes, and BigInt is too slow for them. */
class Fnv1a {
  #high = 0xcbf29ce4;
  #low = 0x84222325;

  add(bytes: Uint8Array): void {
    let [high, low] = [this.#high, this.#low];
    for (const byte of bytes) {
      // Times the prime 2^40 + 0x1b3.
      const mixed = (low ^ byte) >>> 0;
      const product = mixed * 0x1b3;
      high = (Math.imul(high, 0x1b3) + (mixed << 8) + Math.floor(product / 2 ** 32)) >>> 0;
      low = product >>> 0;
    }
    [this.#high, this.#low] = [high, low];
  }

  get value(): bigint {
    return (BigInt(this.#high) << 32n) | BigInt(this.#low);
  }
}
