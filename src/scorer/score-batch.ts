// Joins requests to one lookup and one run of the dense network. What a request says once for all of its candidates is
// looked up once.
import type { KeyedBags } from '../plan/bags.ts';
import type { CheckedRequest, ScoreInputs, TableBags } from './score-request.ts';

/** Number of candidates of all requests. */
export function candidatesOf(requests: readonly CheckedRequest[]): number {
  return requests.reduce((sum, { candidates }) => sum + candidates, 0);
}

/** The bags of all requests by table. Result i is of candidate i of the batch. */
export function joinBags(requests: readonly CheckedRequest[], { specs }: ScoreInputs): KeyedBags {
  return Object.fromEntries(specs.map(({ name }, table) => [name, joined(requests, table)]));
}

function joined(requests: readonly CheckedRequest[], table: number): KeyedBags[string] {
  const parts = requests.map(({ tables }) => tables[table]);
  const sum = (count: (part: TableBags) => number): number =>
    parts.reduce((total, part) => total + count(part), 0);
  const keyCount = sum(({ keys }) => keys.length);
  const isNarrow = parts.every(({ keys }) => keys instanceof Uint32Array);
  const keys = isNarrow ? new Uint32Array(keyCount) : new BigUint64Array(keyCount);
  const offsets = new Uint32Array(sum(({ bags }) => bags) + 1);
  const weights = parts[0].weights && new Float32Array(keyCount);
  const said = requests.some(({ candidates }, i) => parts[i].bags !== candidates || parts[i].inverse);
  const inverse = said ? new Uint32Array(candidatesOf(requests)) : undefined;
  let [key, bag, candidate] = [0, 0, 0];
  for (const [i, part] of parts.entries()) {
    copyKeys(part.keys, keys, key);
    if (part.weights) weights?.set(part.weights, key);
    for (let own = 0; own < part.bags; own++) offsets[bag + own + 1] = key + part.offsets[own + 1];
    const { candidates } = requests[i];
    for (let own = 0; inverse && own < candidates; own++) {
      const result = part.results === 1 ? 0 : own;
      inverse[candidate + own] = bag + (part.inverse?.[result] ?? result);
    }
    key += part.keys.length;
    bag += part.bags;
    candidate += candidates;
  }
  return { keys, offsets, includeLastOffset: true, weights, inverse };
}

function copyKeys(from: TableBags['keys'], to: Uint32Array | BigUint64Array, at: number): void {
  if (to instanceof Uint32Array) to.set(from as Uint32Array, at);
  else if (from instanceof Uint32Array) for (let i = 0; i < from.length; i++) to[at + i] = BigInt(from[i]);
  else to.set(new BigUint64Array(from.buffer, from.byteOffset, from.length), at);
}

/** f32 [candidates, features] of all requests. */
export function joinDense(requests: readonly CheckedRequest[], { features }: ScoreInputs): Float32Array {
  const all = new Float32Array(candidatesOf(requests) * features);
  let at = 0;
  for (const { candidates, dense } of requests) {
    for (let row = 0; row < candidates * features; row += dense.length) all.set(dense, at + row);
    at += candidates * features;
  }
  return all;
}
