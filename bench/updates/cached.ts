// npm run bench -- cache-updates: what a cache still answers while rows that are asked for often are updated, and how old that is.
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openRanker } from '../../src/host/open-ranker.ts';
import { openUpdater } from '../../src/host/open-updater.ts';
import type { KeyedBags } from '../../src/plan/bags.ts';
import { NatsServer } from '../../test/cluster/nats-server.ts';
import { below, zipfRanks } from '../cache/zipf.ts';
import { mix32 } from '../data.ts';
import { describe, environment } from '../environment.ts';
import { median } from '../measure.ts';
import { Leftovers } from '../serving/leftovers.ts';
import { dim, names, rowsOf } from '../swap/tables.ts';
import { startReplicas } from './cluster.ts';

/** Bags of one key, of each table, in a lookup. */
const bags = 32;
const exponent = 1;
const perSecond = 100;
const updatesPerSecond = 10;
/** The hot rows: so many of each table are asked for most. */
const hotShare = 0.1;
/** Parts of the hot rows that are updated in a minute. */
const shares = [0, 0.01, 0.1, 1];

type Ranker = Awaited<ReturnType<typeof openRanker>>;
type Updater = Awaited<ReturnType<typeof openUpdater>>;

export async function run(args: string[]): Promise<void> {
  const options = {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '20' },
    quick: { type: 'boolean', default: false },
  } as const;
  const { rounds, seconds, quick } = parseArgs({ args, options }).values;
  const rows = rowsOf((quick ? 16 : 64) * 2 ** 20);
  console.log(describe(environment()));
  await using stack = new AsyncDisposableStack();
  const leftovers = new Leftovers();
  const server = stack.use(await NatsServer.start());
  const routing = server.at('updates');
  await startReplicas(stack, leftovers.directory(), routing, rows);
  await using ranker = await openRanker({ routing, cache: '10%' });
  await using updater = await openUpdater({ routing });
  const bench = new CachedRows(ranker, updater, rows);
  for (let i = 0; i < (quick ? 100 : 3_000); i++) await bench.lookUp();
  while (ranker.stats.cache?.following !== 1) await sleep(50).then(() => bench.lookUp());
  const found = new Map(shares.map((share) => [share, [] as Found[]]));
  for (let round = 0; round < (quick ? 1 : Number(rounds)); round++)
    for (const share of shares) found.get(share)?.push(await bench.look(share, quick ? 2 : Number(seconds)));
  const asked = perSecond * names.length * bags;
  console.log(
    `${names.length} tables of ${rows} rows, Zipf ${exponent}, ${asked} bags of one key per second; a cache of a tenth of the rows`,
  );
  report(found);
  const { ages } = bench;
  const oldest = ages.length === 0 ? 'none' : `${Math.max(...ages).toFixed(1)} ms`;
  console.log(
    `\nrows that were found although an update of theirs was acknowledged before: ${ages.length}; the oldest: ${oldest}`,
  );
}

interface Found {
  /** Of the bags that were looked for. */
  readonly hitRate: number;
  /** Of the vectors of all bags. */
  readonly savedBytesPerSecond: number;
  readonly updatedPerSecond: number;
  readonly stale: number;
}

class CachedRows {
  readonly #ranker: Ranker;
  readonly #updater: Updater;
  readonly #hot: number;
  readonly #rank: () => number;
  /** Of each row, the same in all tables: when its updates were acknowledged. Their stamps are 1, 2, … */
  readonly #acknowledged = new Map<number, number[]>();
  #drawn = 0;
  #chosen = 0;
  /** Of each row that a lookup found older than acknowledged: for how many ms there had been a newer one when the lookup began. */
  readonly ages: number[] = [];

  constructor(ranker: Ranker, updater: Updater, rows: number) {
    this.#ranker = ranker;
    this.#updater = updater;
    this.#hot = Math.floor(rows * hotShare);
    this.#rank = zipfRanks(rows, exponent, () => mix32(this.#drawn++));
  }

  /** Looks up at an even rate, and updates hot rows at another one. @param share of the hot rows, in a minute */
  async look(share: number, seconds: number): Promise<Found> {
    const stats = (): NonNullable<Ranker['stats']['cache']> => this.#ranker.stats.cache as never;
    const before = stats();
    const began = performance.now();
    const ends = began + seconds * 1_000;
    const updated = this.#update((share * this.#hot) / 60, ends);
    for (let next = began; next < ends; next += 1_000 / perSecond) {
      await sleep(Math.max(0, next - performance.now()));
      await this.lookUp();
    }
    const count = await updated;
    const after = stats();
    const spent = (performance.now() - began) / 1_000;
    return {
      hitRate: (after.hits - before.hits) / (after.probed - before.probed),
      savedBytesPerSecond: (after.hitBytes - before.hitBytes) / spent,
      updatedPerSecond: count / spent,
      stale: after.stale - before.stale,
    };
  }

  async lookUp(): Promise<void> {
    const keys = names.map(() => Uint32Array.from({ length: bags }, this.#rank));
    const lengths = new Uint32Array(bags).fill(1);
    const asked: KeyedBags = Object.fromEntries(names.map((name, i) => [name, { keys: keys[i], lengths }]));
    const began = performance.now();
    using found = await this.#ranker.lookup(asked);
    for (const [i, name] of names.entries()) {
      const { values } = found.get(name) as { readonly values: Float32Array };
      for (const [bag, key] of keys[i].entries()) {
        const newer = this.#acknowledged.get(key)?.[values[bag * dim]];
        if (newer !== undefined && newer < began) this.ages.push(began - newer);
      }
    }
  }

  /** @param rowsPerSecond of each table @returns how many were updated */
  async #update(rowsPerSecond: number, ends: number): Promise<number> {
    let [due, count] = [0, 0];
    for (let next = performance.now(); next < ends && rowsPerSecond > 0; next += 1_000 / updatesPerSecond) {
      await sleep(Math.max(0, next - performance.now()));
      due += rowsPerSecond / updatesPerSecond;
      const own = new Set<number>();
      for (; due >= 1; due--) own.add(below(this.#hot, () => mix32(~this.#chosen++)));
      if (own.size === 0) continue;
      await this.#write([...own]);
      count += own.size * names.length;
    }
    return count;
  }

  #timesOf(row: number): number[] {
    const times = this.#acknowledged.get(row) ?? [];
    this.#acknowledged.set(row, times);
    return times;
  }

  /** The same rows of all tables. Each says how often it was updated. */
  async #write(rows: readonly number[]): Promise<void> {
    const times = rows.map((row) => this.#timesOf(row));
    const stamps = times.map(({ length }) => length + 1);
    const values = Float32Array.from({ length: rows.length * dim }, (_, i) => stamps[Math.floor(i / dim)]);
    const updates = { keys: Uint32Array.from(rows), rows: values };
    await this.#updater.update(Object.fromEntries(names.map((name) => [name, updates])), {
      until: 'written',
    });
    const now = performance.now();
    for (const own of times) own.push(now);
  }
}

function report(found: ReadonlyMap<number, readonly Found[]>): void {
  console.log('hot rows updated a minute   rows/s   hit rate   MB/s saved   of none   found stale');
  const none = found.get(0) ?? [];
  for (const [share, list] of found) {
    const of = (field: keyof Found): number => median(list.map((each) => each[field]));
    const ofNone = median(list.map((each, i) => each.savedBytesPerSecond / none[i].savedBytesPerSecond));
    const cells: [string, number][] = [
      [`${share * 100} %`, 25],
      [of('updatedPerSecond').toFixed(0), 9],
      [`${(of('hitRate') * 100).toFixed(1)} %`, 11],
      [(of('savedBytesPerSecond') / 1e6).toFixed(2), 13],
      [ofNone.toFixed(3), 10],
      [of('stale').toFixed(0), 14],
    ];
    console.log(cells.map(([cell, width]) => cell.padStart(width)).join(''));
  }
}
