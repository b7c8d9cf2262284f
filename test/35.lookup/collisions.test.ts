// Callers choose keys. Keys that collide in a hash that everybody knows must not make a lookup slow.
import { expect, test } from 'vitest';
import { kernelModule } from '../../src/kernel/files.ts';
import type { AskOptions } from '../../src/lookup/asked.ts';
import { LookupTable } from '../../src/lookup/lookup-table.ts';
import { Workspace, type WrittenPlan } from '../../src/lookup/workspace.ts';

const table = new LookupTable(
  0,
  { spec: { name: 't', rows: 1_000_000, dim: 64, mode: 'sum' }, version: 0, indexed: true },
  [{ last: 0xffffffff, number: 0, node: 0 }],
);
const limits = { subrequestBytes: 2 ** 30, replyBytes: 2 ** 30, subrequestKeys: 2 ** 28 };
const plan = { tables: [table], nodes: ['n'] };
const workspace = new Workspace({ module: kernelModule('ranker'), shared: false }, 2 ** 28);
const written: WrittenPlan = {
  ...{ plan, tableOf: () => table, written: workspace.write(plan) },
  states: [{ limits, readsRows: false }],
};
const options: AskOptions = {
  ...{ onMissing: undefined, pushDown: 'never', deduplicateBags: true, splitKeys: 0 },
};

/** Milliseconds of a lookup of these keys. */
function msOf(keys: BigUint64Array, lengths: Uint32Array): number {
  const began = performance.now();
  const asked = workspace.ask({ f: { keys, lengths } }, options, written);
  while (!asked.prepare());
  asked.close();
  return performance.now() - began;
}

/** The number whose hash this is: the inverse of the finaliser of MurmurHash3. */
function unhash(hash: bigint): bigint {
  const unshift = (value: bigint): bigint => value ^ (value >> 33n);
  const step = (value: bigint, inverse: bigint): bigint => BigInt.asUintN(64, unshift(value) * inverse);
  return unshift(step(step(hash, 0x9cb4b2f8129337dbn), 0x4f74430c22a54005n));
}

const count = 20_000;
const numbers = Array.from({ length: count }, (_, i) => BigInt(i));
const ordinary = BigUint64Array.from(numbers);

test.each([
  ['keys', Uint32Array.of(count), (i: bigint) => unhash(i << 32n)],
  // Bags are hashed word by word, begun with their bytes. If the first ones do not repeat, the others are not compared.
  ['bags', new Uint32Array(count).fill(1), (i: bigint) => unhash(unhash((i || 1n) << 32n)) ^ 8n],
] as const)('%s that collide in the plain hash take about as long as others', (_, lengths, colliding) => {
  const chosen = BigUint64Array.from(numbers, colliding);
  const times = { ordinary: Number.POSITIVE_INFINITY, chosen: Number.POSITIVE_INFINITY };
  const isAlike = (): boolean => times.chosen / times.ordinary < 20;
  // One table entry after the other would take some 10,000 times as many steps. Other work can only delay some rounds.
  for (let round = 0; round < 3 || (round < 12 && !isAlike()); round++) {
    times.ordinary = Math.min(times.ordinary, msOf(ordinary, lengths));
    times.chosen = Math.min(times.chosen, msOf(chosen, lengths));
  }
  expect(times.chosen / times.ordinary).toBeLessThan(20);
});
