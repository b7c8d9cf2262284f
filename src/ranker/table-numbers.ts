// The numbers that entries of a ranker's cache have in place of their tables.
import { contentWholeBytesMax } from '../limits.ts';
import { meaning } from '../plan/fingerprint.ts';
import type { PlannedTable, RoutingTable } from '../plan/routing-table.ts';

interface Numbered {
  readonly table: PlannedTable;
  readonly number: number;
}

/**
 * A number for each table of a routing table. If the routing table changes, a table keeps its number only if all of its
 * bags keep their bits. Another table never gets the same number.
 */
export class TableNumbers {
  readonly #tables: ReadonlyMap<string, Numbered>;
  readonly #last: number;

  /** @param before the numbers for the previous routing table */
  constructor({ tables }: RoutingTable, before?: TableNumbers) {
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

  /** 0: bags of this table are not cached, because it has no pooled bags. */
  of({ name, mode }: PlannedTable['spec']): number {
    return mode === 'none' ? 0 : (this.#tables.get(name)?.number ?? 0);
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
