// Tables whose rows say their version, and nodes that serve them: a lookup that mixes versions gives itself away.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeRouting } from '../../src/host/file-routing.ts';
import { MemoryNodeHost } from '../../src/host/memory-node-host.ts';
import { type OpenRankerOptions, openRanker } from '../../src/host/open-ranker.ts';
import { plannedTables } from '../../src/host/plan-cluster.ts';
import { FlexemrError, type Ranker } from '../../src/index.ts';
import { planSharding, type Split } from '../../src/plan/planner.ts';
import type { PlannedNode } from '../../src/plan/routing-table.ts';
import { writeTables } from '../tables-file.ts';

const rows = 3_000;
const dim = 16;

/** Every value of a row is the version of its table. */
export async function writeVersion(path: string, version: number, count = rows): Promise<void> {
  const given = (name: string, ids?: BigUint64Array): Parameters<typeof writeTables>[1][number] => {
    const spec = { name, rows: count, dim, mode: 'sum' } as const;
    return { spec, rows: new Float32Array(count * dim).fill(version), ids };
  };
  const ids = BigUint64Array.from({ length: count }, (_, i) => BigInt(i) * 7n + 1n);
  await writeTables(path, [given('plain'), given('other'), given('indexed', ids)]);
}

export interface VersionedOptions {
  readonly nodes: number;
  readonly split?: Split;
  readonly headroom?: number;
  readonly workers?: number;
  /** Whether the nodes serve RDMA too. */
  readonly rdma?: boolean;
}

/** A cluster in a file, with nodes of threads of this process, which follow it. */
export class VersionedCluster implements AsyncDisposable {
  readonly folder: string;
  readonly hosts: MemoryNodeHost[];
  readonly nodes: readonly PlannedNode[];

  static async start({
    nodes: count,
    split = 'row',
    headroom = 1,
    workers = 2,
    rdma = false,
  }: VersionedOptions): Promise<VersionedCluster> {
    const folder = await mkdtemp(join(tmpdir(), 'flexemr-swap-'));
    const file = join(folder, '1.safetensors');
    await writeVersion(file, 1);
    const tables = await plannedTables(file, undefined);
    const nodes = Array.from({ length: count }, (_, i) => ({ id: `n${i}` }));
    const plan = join(folder, 'plan.json');
    await writeRouting(plan, planSharding({ tables, nodes, split }).routing);
    const cluster = new VersionedCluster(folder, [], []);
    const urls: PlannedNode[] = [];
    for (const { id } of nodes) {
      const host = await cluster.serve(id, { headroom, workers, ...(rdma && { rdma: {} }) });
      urls.push({ id, url: host.url });
    }
    await writeRouting(plan, planSharding({ tables, nodes: urls, split }).routing);
    return new VersionedCluster(folder, cluster.hosts, urls);
  }

  private constructor(folder: string, hosts: MemoryNodeHost[], nodes: readonly PlannedNode[]) {
    this.folder = folder;
    this.hosts = hosts;
    this.nodes = nodes;
  }

  get plan(): string {
    return join(this.folder, 'plan.json');
  }

  /** The file of a version, which is written. */
  async file(version: number, count?: number): Promise<string> {
    const path = join(this.folder, `${version}.safetensors`);
    await writeVersion(path, version, count);
    return path;
  }

  /** Starts a node. */
  async serve(
    node: string,
    options: { headroom?: number; workers?: number; port?: number; rdma?: object } = {},
  ): Promise<MemoryNodeHost> {
    const { openClusterSource } = await import('../../src/host/cluster-source.ts');
    const tables = join(this.folder, '1.safetensors');
    const host = await MemoryNodeHost.start({
      tables,
      routing: await openClusterSource(this.plan),
      node,
      ...options,
    });
    this.hosts.push(host);
    return host;
  }

  ranker(options: Omit<OpenRankerOptions, 'routing'> = {}): Promise<Ranker> {
    return openRanker({ routing: this.plan, ...options });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.close()));
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** What has come of lookups. */
export interface Answers {
  /** How many lookups were answered by each version. */
  readonly versions: ReadonlyMap<number, number>;
  readonly failures: readonly Error[];
}

/** Looks up again and again, several at a time, until it is told to stop. Each lookup asks every table at every node. */
export class Asking implements Disposable {
  readonly #versions = new Map<number, number>();
  readonly #failures: Error[] = [];
  readonly #lanes: Promise<void>[];
  #stopped = false;

  constructor(ranker: Ranker, lanes = 4) {
    this.#lanes = Array.from({ length: lanes }, (_, lane) => this.#ask(ranker, lane));
  }

  async #ask(ranker: Ranker, lane: number): Promise<void> {
    for (let i = lane; !this.#stopped; i += 7) {
      try {
        const version = await versionOf(ranker, i);
        this.#versions.set(version, (this.#versions.get(version) ?? 0) + 1);
      } catch (error) {
        this.#failures.push(error as Error);
      }
    }
  }

  [Symbol.dispose](): void {
    this.#stopped = true;
  }

  async stop(): Promise<Answers> {
    this[Symbol.dispose]();
    await Promise.all(this.#lanes);
    return { versions: this.#versions, failures: this.#failures };
  }
}

/** Looks up rows all over the tables. @returns their version @throws Error if they are not all of one version */
export async function versionOf(ranker: Ranker, seed: number): Promise<number> {
  const keys = Uint32Array.from({ length: 40 }, (_, i) => (seed * 31 + i * 73) % 2_000);
  const ids = BigUint64Array.from(keys, (key) => BigInt(key) * 7n + 1n);
  const offsets = Uint32Array.from({ length: 20 }, (_, i) => i * 2);
  using lookup = await ranker.lookup({
    plain: { keys, offsets },
    other: { keys, offsets },
    indexed: { keys: ids, offsets },
  });
  const values = new Set([...lookup.values()].flatMap((pooled) => [...pooled.values]));
  const [sum] = values;
  if (values.size !== 1 || sum % 2 !== 0) throw new Error(`rows of several versions: ${[...values]}`);
  return sum / 2;
}

export function codesOf(failures: readonly Error[]): string[] {
  return failures.map((error) =>
    error instanceof FlexemrError ? `${error.code}: ${error.message}` : String(error),
  );
}
