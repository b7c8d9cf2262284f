// Writes calls of POST /v1/rank, in any of the forms that it allows.
import type { DrawnRequest } from './drawn-requests.ts';
import { signature } from './fake-scoring.ts';
import { type Choices, rawJson } from './write-infer.ts';

/** @param request without inverses */
export function writeRank({ candidates, features, dense }: DrawnRequest, by: Choices): string {
  const user: [string, unknown][] = [];
  const own: [string, unknown][][] = Array.from({ length: candidates }, () => []);
  const say = (name: string, values: readonly unknown[]): void => {
    // If there is one candidate, it may say all of it.
    if (values.length === 1 && (candidates > 1 || by.pick(2) === 0)) user.push([name, values[0]]);
    else for (const [i, value] of values.entries()) own[i].push([name, value]);
  };
  for (const [i, { name }] of signature.features.entries()) {
    const { bags, weights } = features[i];
    let key = 0;
    const values = bags.map((bag) => {
      const from = key;
      key += bag.length;
      return bagOf(bag, weights?.subarray(from, key), by);
    });
    say(name, values);
  }
  for (const [i, { name, width }] of signature.dense.entries()) {
    const rows = dense[i].length / width;
    const values = Array.from({ length: rows }, (_, row) => {
      const numbers = Array.from(dense[i].subarray(row * width, (row + 1) * width), exact);
      return width === 1 && by.pick(2) === 0 ? numbers[0] : numbers;
    });
    say(name, values);
  }
  const call = {
    user: Object.fromEntries(user),
    candidates: own.map((fields) => Object.fromEntries(fields)),
  };
  return JSON.stringify(user.length === 0 && by.pick(2) === 0 ? { candidates: call.candidates } : call);
}

function bagOf(bag: readonly bigint[], weights: Float32Array | undefined, by: Choices): unknown {
  const keys = bag.map((key) => {
    const isExact = Number.isSafeInteger(Number(key));
    if (isExact && by.pick(3) > 0) return Number(key);
    // A negative string stands for the u64 with the same bits.
    return String(key >= 2n ** 63n && by.pick(2) === 0 ? key - 2n ** 64n : key);
  });
  if (weights) return { keys, weights: Array.from(weights, exact) };
  const forms = [keys, { keys }, ...(keys.length === 1 ? [keys[0]] : [])];
  return forms[by.pick(forms.length)];
}

/** JSON.stringify would write −0 as 0. */
function exact(value: number): unknown {
  return Object.is(value, -0) ? rawJson('-0.0') : value;
}
