// Requests of a ranking service. Features are named as in RecFlow (ICLR 2025), the public log of such a service: 42,000
// users with 6 requests a day, and about 200 candidates a request. It has fixed features, and one history; tags and the
// two shorter histories are added here, because other services have such bags.
import { mix32, randomWords } from '../../data.ts';
import { buildTrace, type Emit, type Trace, type TraceTable } from '../trace.ts';
import { below, zipfRanks } from '../zipf.ts';
import { type History, UserHistories } from './histories.ts';

export interface SessionsShape {
  readonly users: number;
  readonly items: number;
  readonly requests: number;
  readonly candidates: number;
  /** Of the popularity of items. */
  readonly exponent: number;
  /** The probability that a user comes back within minutes. */
  readonly comesBack: number;
  /** After so many requests of the service on average. */
  readonly backAfter: number;
  /** The share of the candidates of the visit before that are candidates again. */
  readonly candidatesAgain: number;
}

const authorsOf = (items: number): number => Math.ceil(items / 10);

const tablesOf = ({ users, items }: SessionsShape): readonly TraceTable[] => [
  { name: 'user', rows: users, dim: 64, side: 'user' },
  { name: 'age', rows: 8, dim: 16, side: 'user' },
  { name: 'gender', rows: 3, dim: 16, side: 'user' },
  { name: 'province', rows: 35, dim: 16, side: 'user' },
  { name: 'views', rows: items, dim: 64, side: 'user' },
  { name: 'likes', rows: items, dim: 64, side: 'user' },
  { name: 'follows', rows: authorsOf(items), dim: 64, side: 'user' },
  { name: 'item', rows: items, dim: 64, side: 'item' },
  { name: 'author', rows: authorsOf(items), dim: 64, side: 'item' },
  { name: 'category 1', rows: 40, dim: 16, side: 'item' },
  { name: 'category 2', rows: 150, dim: 16, side: 'item' },
  { name: 'upload type', rows: 30, dim: 16, side: 'item' },
  { name: 'tags', rows: 20_000, dim: 32, side: 'item' },
];
const firstHistory = 4;
const firstOfItem = 7;

/** Views grow at nearly every visit, follows rarely. */
const histories: readonly History[] = [
  { atLeast: 20, atMost: 50, grows: 0.8, byMost: 4 },
  { atLeast: 3, atMost: 20, grows: 0.2, byMost: 1 },
  { atLeast: 3, atMost: 30, grows: 0.05, byMost: 1 },
];

/** The bags of an item depend on the item alone, so they are equal whenever it is a candidate. */
function itemBags(item: number, tables: readonly TraceTable[]): number[][] {
  const hashes = [1, 2, 3, 4].map((feature) => mix32(item + feature * 0x9e37_79b9));
  const oneHot = hashes.map((hash, i) => [hash % tables[firstOfItem + 1 + i].rows]);
  const tags = Array.from({ length: 1 + (mix32(item) & 3) }, (_, i) => {
    return mix32(mix32(item) + i) % tables[firstOfItem + 5].rows;
  });
  return [[item], ...oneHot, tags];
}

interface Visit {
  readonly user: number;
  /** The candidates of the visit before, if there was one. */
  readonly before: readonly number[];
}

export function sessionsTrace(name: string, shape: SessionsShape, seed: number): Trace {
  const next = randomWords(seed);
  const tables = tablesOf(shape);
  const popular = zipfRanks(shape.items, shape.exponent, next);
  const ofUsers = new UserHistories(histories, next, (history) => {
    return history === histories[2] ? mix32(popular()) % authorsOf(shape.items) : popular();
  });
  const visits = new Visits(shape, next);
  return buildTrace(name, tables, (emit) => {
    const said = new Said(emit);
    for (let request = 0; request < shape.requests; request++) {
      const { user, before } = visits.at(request);
      said.forget();
      const profile = [user, ...[8, 3, 35].map((rows, i) => mix32(user + i * 0x9e37_79b9) % rows)];
      for (const [table, key] of profile.entries()) emit(table, [key]);
      for (const [i, bag] of ofUsers.visit(user).entries()) emit(firstHistory + i, bag);
      const candidates = candidatesOf(shape, before, popular, next);
      for (const item of candidates)
        for (const [i, bag] of itemBags(item, tables).entries()) said.once(firstOfItem + i, bag);
      visits.ends(request, user, candidates);
    }
  });
}

/** Different items, of which some were candidates at the visit before. */
function candidatesOf(
  { candidates, candidatesAgain }: SessionsShape,
  before: readonly number[],
  popular: () => number,
  next: () => number,
): number[] {
  const chosen = new Set(before.filter(() => next() < candidatesAgain * 2 ** 32));
  while (chosen.size < candidates) chosen.add(popular());
  return [...chosen];
}

/** A ranker asks for equal bags of a request once. Tags are taken as they come: few items have the same. */
class Said {
  readonly #emit: Emit;
  readonly #oneHot: Set<number> = new Set();

  constructor(emit: Emit) {
    this.#emit = emit;
  }

  forget(): void {
    this.#oneHot.clear();
  }

  once(table: number, bag: readonly number[]): void {
    if (bag.length === 1) {
      const known = table * 2 ** 32 + bag[0];
      if (this.#oneHot.has(known)) return;
      this.#oneHot.add(known);
    }
    this.#emit(table, bag);
  }
}

/** Who comes when. Users who come back go before others. */
class Visits {
  readonly #shape: SessionsShape;
  readonly #next: () => number;
  readonly #due: Map<number, Visit[]> = new Map();
  readonly #ready: Visit[] = [];

  constructor(shape: SessionsShape, next: () => number) {
    this.#shape = shape;
    this.#next = next;
  }

  at(request: number): Visit {
    this.#ready.push(...(this.#due.get(request) ?? []));
    this.#due.delete(request);
    return this.#ready.shift() ?? { user: below(this.#shape.users, this.#next), before: [] };
  }

  ends(request: number, user: number, before: readonly number[]): void {
    if (this.#next() >= this.#shape.comesBack * 2 ** 32) return;
    const wait = -Math.log(1 - this.#next() / 2 ** 32) * this.#shape.backAfter;
    const at = request + 1 + Math.floor(wait);
    this.#due.set(at, [...(this.#due.get(at) ?? []), { user, before }]);
  }
}
