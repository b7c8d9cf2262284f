// A cluster in a NATS server of its own, whose tables take updates: `rows` by number, and `ids`.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openClusterSource } from '../../src/host/cluster-source.ts';
import { MemoryNodeHost } from '../../src/host/memory-node-host.ts';
import { plannedTables } from '../../src/host/plan-cluster.ts';
import { publishCluster } from '../../src/host/publish-cluster.ts';
import type { ClusterStore } from '../../src/plan/cluster-store.ts';
import { planSharding } from '../../src/plan/planner.ts';
import type { RoutingTable } from '../../src/plan/routing-table.ts';
import { writeTables } from '../tables-file.ts';
import { freePorts, NatsServer } from './nats-server.ts';

/** Rows of each table, all of them 1, and their elements. The ids are multiples of 7. */
export const rows = 200;
export const dim = 8;

export class UpdatedCluster implements AsyncDisposable {
  readonly server: NatsServer;
  /** Its address. */
  readonly address: string;
  readonly folder: string;
  /** The file of its tables. */
  readonly tables: string;
  readonly plan: RoutingTable;
  readonly store: ClusterStore;
  readonly #ports: readonly number[];
  readonly #hosts = new Set<MemoryNodeHost>();

  /** It is published, and none of its nodes runs yet. @param nodes all of which hold every shard */
  static async start(nodes: number): Promise<UpdatedCluster> {
    const server = await NatsServer.start();
    const folder = await mkdtemp(join(tmpdir(), 'flexemr-updated-'));
    const tables = join(folder, 'tables.safetensors');
    const ids = BigUint64Array.from({ length: rows }, (_, i) => BigInt(i) * 7n);
    const data = new Float32Array(rows * dim).fill(1);
    await writeTables(tables, [
      { spec: { name: 'rows', rows, dim, mode: 'sum' }, rows: data },
      { spec: { name: 'ids', rows, dim, mode: 'sum' }, rows: data, ids },
    ]);
    const ports = await freePorts(nodes);
    const { routing } = planSharding({
      tables: (await plannedTables(tables, undefined)).map((table) => ({ ...table, updates: true as const })),
      nodes: ports.map((port, i) => ({ id: `n${i}`, url: `http://127.0.0.1:${port}` })),
      ...{ split: 'auto', replicas: nodes },
    });
    const store = await openClusterSource(server.at('updated'), {});
    await publishCluster(store, { routing }, false);
    return new UpdatedCluster(server, folder, tables, routing, store, ports);
  }

  private constructor(
    server: NatsServer,
    folder: string,
    tables: string,
    plan: RoutingTable,
    store: ClusterStore,
    ports: readonly number[],
  ) {
    this.server = server;
    this.address = server.at('updated');
    this.folder = folder;
    this.tables = tables;
    this.plan = plan;
    this.store = store;
    this.#ports = ports;
  }

  /** Starts a node, which the cluster closes at its end. */
  async startNode(i: number): Promise<MemoryNodeHost> {
    const host = await MemoryNodeHost.start({
      ...{ tables: this.tables, routing: this.store, node: `n${i}`, port: this.#ports[i] },
      updates: { nats: this.address },
    });
    this.#hosts.add(host);
    return host;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#hosts].map((host) => host.close()));
    await this.store.close();
    await this.server[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}
