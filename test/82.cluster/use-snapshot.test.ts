// A snapshot becomes the tables of the release that is served, whatever others change at the same time.
import { expect, test } from 'vitest';
import { clusterWritesMax } from '../../src/cluster-limits.ts';
import { FlexemrError } from '../../src/errors.ts';
import { useSnapshot } from '../../src/host/use-snapshot.ts';
import type { Cluster } from '../../src/plan/cluster.ts';
import type { ClusterStore } from '../../src/plan/cluster-store.ts';
import { routing } from '../32.updates/update-case.ts';
import { refused } from '../refusal.ts';

/** A store that others change before each of the first writes. */
class BusyStore implements ClusterStore {
  cluster: Cluster;
  #others: Cluster[];
  #revision = 0;

  constructor(cluster: Cluster, others: Cluster[]) {
    this.cluster = cluster;
    this.#others = others;
  }

  async read(): Promise<{ cluster: Cluster; revision: string }> {
    const found = { cluster: this.cluster, revision: String(this.#revision) };
    const other = this.#others.shift();
    if (other !== undefined) {
      this.cluster = other;
      this.#revision++;
    }
    return found;
  }

  async replace(cluster: Cluster, revision: string | undefined): Promise<string> {
    if (revision !== String(this.#revision)) throw new FlexemrError('CONFLICT', 'another was first');
    this.cluster = cluster;
    return String(++this.#revision);
  }

  watch(): () => void {
    return () => {};
  }

  async close(): Promise<void> {}
}

const [table, ...rest] = routing.tables;
const next = { ...routing, tables: [{ ...table, version: 2 }, ...rest] };
const serving = { routing };

test('only the place of the tables changes, after others have changed the cluster', async () => {
  const changing = { serving, next: { routing: next } };
  const store = new BusyStore({ serving }, [changing, { serving }, changing]);
  await useSnapshot(store, routing, '/now');
  expect(store.cluster).toEqual({ ...changing, serving: { routing, tables: '/now' } });
});

test('a cluster that serves another plan by then is left as it is', async () => {
  const other = { serving: { routing: next } };
  const store = new BusyStore({ serving }, [other]);
  expect(await refused(() => useSnapshot(store, routing, '/now'))).toMatchObject({ code: 'CONFLICT' });
  expect(store.cluster).toEqual(other);
});

test('it gives up if others change the cluster again and again', async () => {
  const store = new BusyStore({ serving }, new Array(clusterWritesMax).fill({ serving }));
  expect(await refused(() => useSnapshot(store, routing, '/now'))).toMatchObject({ code: 'CONFLICT' });
  expect(store.cluster).toEqual({ serving });
});
