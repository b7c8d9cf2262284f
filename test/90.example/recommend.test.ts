import { join } from 'node:path';
import { expect, test } from 'vitest';
import { candidates } from '../../examples/movielens/recommend.ts';
import { pickBags, type Requests, readRequests } from '../../examples/movielens/requests.ts';
import { openTables, SafetensorsFile } from '../../src/index.ts';

const example = new URL('../../examples/movielens/', import.meta.url).pathname;
const features = 10;

interface Example {
  readonly requests: Requests;
  readonly users: BigInt64Array;
  readonly names: readonly string[];
}

async function open(): Promise<Example> {
  await using file = await SafetensorsFile.open(join(example, 'requests.safetensors'));
  const names = JSON.parse(file.metadata.tables).map(({ name }: { name: string }) => name);
  return { requests: await readRequests(file, names), users: await file.read('user_id', 'I64'), names };
}

/** The bags of the picked requests in the file. */
function ofFile(requests: Requests, picked: readonly number[]): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(requests.bags).map(([name, own]) => [name, plain(pickBags(own, picked))]),
  );
}

function plain({ keys, lengths, weights }: ReturnType<typeof pickBags>): unknown {
  const numbers = (values: ArrayLike<number | bigint> | undefined): number[] =>
    Array.from(values ?? [], Number);
  return { keys: numbers(keys), lengths: numbers(lengths), weights: numbers(weights) };
}

const plainBags = (bags: Requests['bags']): Record<string, unknown> =>
  Object.fromEntries(Object.entries(bags).map(([name, own]) => [name, plain(own)]));

function expectClose(got: Float32Array, wanted: Float32Array): void {
  expect(got.length).toBe(wanted.length);
  got.forEach((value, i) => {
    if (Math.abs(value - wanted[i]) > 1e-6)
      expect.fail(`feature ${i} is ${value}, but ${wanted[i]} in the file`);
  });
}

test('a new request for the user and the film of a request equals the request in the file', async () => {
  const { requests, users } = await open();
  expect(users.length).toBe(200);
  for (const [request, user] of users.entries()) {
    const made = candidates(requests, user, request, [request]);
    expect(plainBags(made.bags), `request ${request}`).toEqual(ofFile(requests, [request]));
    expectClose(made.dense, requests.dense.subarray(request * features, (request + 1) * features));
  }
});

test('each of several films has the same values as alone, and the film of the request equals the file', async () => {
  const { requests, users } = await open();
  const films = [0, 5, 199, 42, 5];
  for (const latest of [0, 42, 199]) {
    const all = candidates(requests, users[latest], latest, films);
    await using tables = await openTables(join(example, 'tables.safetensors'), { slotBytes: 2 ** 22 });
    const together = await tables.lookup(all.bags);
    for (const [i, film] of films.entries()) {
      const alone = candidates(requests, users[latest], latest, [film]);
      expectClose(all.dense.subarray(i * features, (i + 1) * features), alone.dense);
      for (const [name, { values, dim }] of await tables.lookup(alone.bags))
        expect(together.get(name)?.values.subarray(i * dim, (i + 1) * dim)).toEqual(values);
      if (film === latest) expect(plainBags(alone.bags)).toEqual(ofFile(requests, [film]));
    }
  }
});
