// What every store of a cluster must do, whatever its clients do at the same time.
import fc from 'fast-check';
import { expect } from 'vitest';
import { FlexemrError } from '../../src/errors.ts';
import type { Cluster, Release } from '../../src/plan/cluster.ts';
import type { ClusterStore } from '../../src/plan/cluster-store.ts';
import { planSharding } from '../../src/plan/planner.ts';
import type { RoutingTable } from '../../src/plan/routing-table.ts';

const spec = { name: 't', rows: 100, dim: 4, mode: 'sum' } as const;
const nodes = [{ id: 'node0', url: 'http://127.0.0.1:9' }];

/** A release that says which it is: by the version of its table. */
export function release(version: number): Release {
  return {
    routing: planSharding({ tables: [{ spec, indexed: false, version }], nodes, split: 'table' }).routing,
  };
}

export function versionOf({ tables }: RoutingTable): number {
  return tables[0].version;
}

export const clients = 3;
/** Reads of servers that are too busy to answer. */
const triesMax = 10;
const patienceMs = 60_000;
const pauseMs = 50;

/** A client reads, or replaces what it has read last. In a round, all act at the same time. */
export type Act = 'read' | 'replace' | 'replace without a cluster' | 'nothing';
const act = fc.constantFrom<Act>('read', 'replace', 'replace', 'replace without a cluster', 'nothing');
const round: fc.Arbitrary<Act[]> = fc.array(act, { minLength: clients, maxLength: clients });
export const rounds: fc.Arbitrary<Act[][]> = fc.array(round, { minLength: 1, maxLength: 12 });

/** Replaces a cluster until that succeeds, as somebody does who changes it while a server fails. @returns its revision */
export async function change(store: ClusterStore, version: number): Promise<string> {
  for (const end = performance.now() + patienceMs; ; await new Promise((done) => setTimeout(done, pauseMs)))
    try {
      const found = await store.read().catch(() => undefined);
      // It was not known whether the last attempt was written.
      if (found !== undefined && versionOf(found.cluster.serving.routing) === version) return found.revision;
      return await store.replace({ serving: release(version) }, found?.revision);
    } catch (error) {
      if (!(error instanceof FlexemrError) || performance.now() > end) throw error;
    }
}

/**
 * Plays rounds on stores of one cluster, which has none yet. Of all who replace the same revision at the same time, exactly one
 * wins. Who has another revision loses. What the winner wrote is what everybody reads then.
 * @param mayBeAway servers may be too busy to answer: then it is not known who has won, and somebody writes again after the round
 */
export async function play(
  stores: readonly ClusterStore[],
  acts: readonly (readonly Act[])[],
  mayBeAway = false,
): Promise<void> {
  const held: (string | undefined)[] = stores.map(() => undefined);
  let current: { revision: string; version: number } | undefined;
  let version = 0;
  for (const now of acts) {
    const before = current;
    const ended = await Promise.all(
      now.map(async (what, i) => {
        const own = ++version;
        if (what === 'nothing') return undefined;
        try {
          if (what === 'read') {
            const { cluster, revision } = await stores[i].read();
            return { i, what, revision, version: versionOf(cluster.serving.routing) };
          }
          const base = what === 'replace' ? held[i] : undefined;
          const revision = await stores[i].replace({ serving: release(own) }, base);
          return { i, what, base, revision, version: own };
        } catch (error) {
          if (error instanceof FlexemrError) return { i, what, code: error.code, base: held[i] };
          throw error;
        }
      }),
    );
    const base = before?.revision;
    const wrote = ended.filter((end) => end !== undefined && end.what !== 'read');
    const won = wrote.filter((end) => end?.code === undefined);
    const lost = wrote.filter((end) => end?.code !== undefined);
    const rightly = now.filter(
      (what, i) =>
        (what === 'replace' ? held[i] : what === 'replace without a cluster' ? undefined : NaN) === base,
    );
    const isUnknown = mayBeAway && lost.some((end) => end?.code === 'UNAVAILABLE');
    if (isUnknown) expect(won.length).toBeLessThanOrEqual(1);
    else expect(won).toHaveLength(Math.min(1, rightly.length));
    for (const end of lost)
      expect(mayBeAway ? ['CONFLICT', 'UNAVAILABLE'] : ['CONFLICT']).toContain(end?.code);
    const [winner] = won;
    if (winner?.revision !== undefined) current = { revision: winner.revision, version: winner.version };
    // Whatever is written late loses against this one.
    if (isUnknown) current = { revision: await change(stores[0], ++version), version };
    for (const end of ended) {
      if (end?.what !== 'read' || isUnknown || (mayBeAway && end.code === 'UNAVAILABLE')) continue;
      // It reads what there was before the round, or what the winner of the round has written.
      if (end.code !== undefined) expect([end.code, before]).toEqual(['UNAVAILABLE', undefined]);
      else expect([before, current]).toContainEqual({ revision: end.revision, version: end.version });
    }
    for (const end of ended) if (end?.revision !== undefined) held[end.i] = end.revision;
    for (const store of stores) {
      const read = (): Promise<unknown> =>
        store.read().then(
          ({ cluster, revision }) => ({ revision, version: versionOf(cluster.serving.routing) }),
          (error: FlexemrError) => error.code,
        );
      let found = await read();
      for (let tries = 0; mayBeAway && found === 'UNAVAILABLE' && tries < triesMax; tries++)
        found = await read();
      expect(found).toEqual(current ?? 'UNAVAILABLE');
    }
  }
}

/** A cluster with so many shards. */
export function large(shards: number): Cluster {
  const rows = shards;
  const tables = [{ spec: { ...spec, rows }, indexed: false, version: 1 }];
  const { routing } = planSharding({ tables, nodes, split: 'table' });
  const [table] = routing.tables;
  const cut = Array.from({ length: shards }, (_, i) => ({ node: 'node0', begin: i, end: i + 1 }));
  return { serving: { routing: { ...routing, tables: [{ ...table, shards: cut }] } } };
}
