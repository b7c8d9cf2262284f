// Scoring services, each a process of its own.
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type LocalCluster, routingJson, startLocalCluster } from '../../src/index.ts';
import { peer } from '../peers.ts';
import { startChild } from '../serving/child.ts';
import type { Leftovers } from '../serving/leftovers.ts';
import { loadRows } from '../serving/redis-rows.ts';
import { startRedis } from '../serving/redis-server.ts';
import { writeTables } from '../serving/rows.ts';
import type { ScoredModel } from './scored-model.ts';

export interface Service {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
  /** The processes that hold its rows, if they are others. */
  readonly storePids: readonly number[];
}

/** Where a client asks for scores. */
export const inferPath = '/v2/models/model/infer';

const command: string = join(import.meta.dirname, '../../src/cli/main.ts');
const nodes = 2;

/** The files of a model, and memory nodes that serve its tables once somebody asks for them. */
export class ModelFiles implements AsyncDisposable {
  readonly model: ScoredModel;
  readonly leftovers: Leftovers;
  readonly directory: string;
  readonly tables: string;
  readonly networks: readonly string[];
  readonly #children: ChildProcess[] = [];
  #cluster: Promise<LocalCluster> | undefined;

  static async write(leftovers: Leftovers, model: ScoredModel): Promise<ModelFiles> {
    const directory = leftovers.directory();
    const { file, tables } = model.workload;
    if (file === undefined) await writeTables(join(directory, 'tables.safetensors'), tables);
    return new ModelFiles(leftovers, model, directory);
  }

  private constructor(leftovers: Leftovers, model: ScoredModel, directory: string) {
    this.leftovers = leftovers;
    this.model = model;
    this.directory = directory;
    this.tables = model.workload.file ?? join(directory, 'tables.safetensors');
    this.networks = model.networks(directory);
  }

  /** `flexemr rank` over two memory nodes, which all of these services share. */
  async overNodes(name: string, options: readonly string[] = []): Promise<Service> {
    this.#cluster ??= startLocalCluster({ tables: this.tables, nodes });
    const { routing, pids } = await this.#cluster;
    const plan = join(this.directory, 'plan.json');
    writeFileSync(plan, routingJson(routing));
    return { ...(await this.#rank(name, ['--routing', plan, ...options])), storePids: pids };
  }

  /** `flexemr rank` with the tables in its own process. */
  async inOneProcess(name: string): Promise<Service> {
    return await this.#rank(name, ['--tables', this.tables]);
  }

  async #rank(name: string, options: readonly string[]): Promise<Service> {
    const quiet = ['--name', 'model', '--log-level', 'warn'];
    return await this.#start(name, command, ['rank', ...quiet, '--dense', ...this.networks, ...options]);
  }

  /** Rows in Redis, fetched and pooled in JavaScript, before the same networks. @throws Absent */
  async overRedis(name: string): Promise<Service> {
    await peer('ioredis');
    const server = await startRedis(this.leftovers, this.directory);
    this.#children.push(server.child);
    await loadRows(server, this.tables, this.model.workload.tables);
    const script = `${import.meta.dirname}/redis-service.ts`;
    const service = await this.#start(name, script, [String(server.port), this.tables, ...this.networks]);
    return { ...service, storePids: [server.child.pid ?? 0] };
  }

  /** Starts a script that serves, and says where. */
  async #start(name: string, script: string, args: readonly string[]): Promise<Service> {
    const { child, pid, message } = await startChild<{ url: string }>(this.leftovers, script, [...args], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#children.push(child);
    return { name, url: message.url, pid, storePids: [] };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children.toReversed()) await this.leftovers.end(child);
    await (await this.#cluster)?.close();
    this.leftovers.removeDirectory(this.directory);
  }
}
