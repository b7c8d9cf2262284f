// What a ranker's cache knows of the tables of a routing table.
import { contentWholeBytesMax } from '../limits.ts';
import type { CacheSettings } from '../lookup/cache-memory.ts';
import { type CachedAs, uncached } from '../lookup/lookup-table.ts';
import { meaning } from '../plan/fingerprint.ts';
import type { PlannedTable, RoutingTable } from '../plan/routing-table.ts';
import type { TableSpec } from '../plan/table-spec.ts';
import type { CacheChoices } from './cache-options.ts';

interface Numbered {
  readonly table: PlannedTable;
  readonly number: number;
}

/**
 * Every table has a number. If the routing table changes, a table keeps its number only if all of its bags keep their
 * bits. Another table never gets the same number.
 */
export class CachedTables {
  readonly #choices: CacheChoices;
  readonly #pinned: readonly string[];
  readonly #tables: ReadonlyMap<string, Numbered>;
  readonly #last: number;
  readonly #follows: boolean;

  /** @param follows whether updates of rows are heard @param before those of the previous routing table */
  constructor({ tables }: RoutingTable, choices: CacheChoices, follows: boolean, before?: CachedTables) {
    this.#follows = follows;
    this.#choices = choices;
    this.#pinned = [...choices.tables].flatMap(([name, caching]) => (caching === 'pinned' ? [name] : []));
    const known = before === undefined ? new Map<string, Numbered>() : before.#tables;
    let last = before === undefined ? 0 : before.#last;
    this.#tables = new Map(
      tables.map((table) => {
        const { name } = table.spec;
        const earlier = known.get(name);
        const number = earlier !== undefined && hasSameBags(earlier.table, table) ? earlier.number : ++last;
        return [name, { table, number }];
      }),
    );
    this.#last = last;
  }

  /** Those of a routing table that takes the place of this one. */
  next(routing: RoutingTable): CachedTables {
    return new CachedTables(routing, this.#choices, this.#follows, this);
  }

  /** What a cache of so many bytes needs to know. @param bytesMax that it may grow to */
  settings(bytes: number, bytesMax: number): CacheSettings {
    // One without bytes has no memory to grow in.
    const most = bytes === 0 ? 0 : Math.max(bytes, bytesMax);
    const [{ admitsAll }, pins] = [this.#choices, this.#pinned.length];
    // Without a cache, nothing needs to know which keys were updated.
    return { bytes, bytesMax: most, pins, admitsAll, followed: this.#follows && most > 0 };
  }

  /** A table without pooled bags has no entries, whatever was chosen. One whose rows change has some only if their updates are heard. */
  of({ name, mode }: TableSpec): CachedAs {
    const known = this.#tables.get(name);
    const followed = known?.table.updates ?? false;
    const isOut = mode === 'none' || (followed && !this.#follows);
    if (isOut || this.#choices.tables.get(name) === 'off') return uncached;
    return { number: known?.number ?? 0, pin: this.#pinned.indexOf(name) + 1, followed };
  }
}

/** Whether each bag certainly has the same bits in both tables. The nodes of the shards do not count. */
function hasSameBags(one: PlannedTable, other: PlannedTable): boolean {
  return isIdentified(one) && bagMeaning(one) === bagMeaning(other);
}

/** What the bits of a bag depend on. */
function bagMeaning(table: PlannedTable): string {
  const cuts = table.shards.map(({ end }) => end);
  return JSON.stringify([meaning(table, cuts), table.contentWhole]);
}

/** Whether its digests cover every byte of its rows: `content` does, if its tensors are small. */
function isIdentified({ spec: { rows, dim }, content, contentWhole }: PlannedTable): boolean {
  // At most f32, or 8-bit values with a scale and a bias.
  const isSmall = rows * (dim * 4 + 8) <= contentWholeBytesMax;
  return contentWhole !== undefined || (content !== undefined && isSmall);
}
