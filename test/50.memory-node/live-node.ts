// A memory node in its own process, so that its memory can be measured. The process is started by fork.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { MemoryNodeHost } from '../../src/host/memory-node-host.ts';
import type { MemoryNodeOptions } from '../../src/host/memory-node-options.ts';
import type { WorkerReport } from '../../src/telemetry/worker-report.ts';

/** The process sends a report at the start and for each request. */
interface Report {
  readonly ports: readonly number[];
  readonly stats: readonly WorkerReport[];
  readonly rssBytes: number;
}

export class LiveNode implements AsyncDisposable {
  readonly port: number;
  readonly #process: ChildProcess;

  static async start(options: MemoryNodeOptions): Promise<LiveNode> {
    const process = fork(import.meta.filename, {
      serialization: 'advanced',
      stdio: 'inherit',
      execArgv: ['--expose-gc'],
    });
    process.send(options);
    const [{ ports }] = (await once(process, 'message')) as [Report];
    return new LiveNode(process, ports[0]);
  }

  private constructor(process: ChildProcess, port: number) {
    this.#process = process;
    this.port = port;
  }

  get alive(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** @throws Error if the process has ended */
  async report(): Promise<Report> {
    if (!this.alive)
      throw new Error(`the node has ended: ${this.#process.exitCode ?? this.#process.signalCode}`);
    this.#process.send('report');
    const [report] = (await once(this.#process, 'message')) as [Report];
    return report;
  }

  /** The number of subrequests that the node holds. */
  async held(): Promise<number> {
    const { stats } = await this.report();
    return stats.reduce((sum, { held }) => sum + held, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill('SIGKILL');
    if (this.alive) await once(this.#process, 'exit');
  }
}

async function serve(options: MemoryNodeOptions): Promise<void> {
  const node = await MemoryNodeHost.start(options);
  const report = async (): Promise<void> => {
    globalThis.gc?.();
    const report: Report = {
      ports: node.ports,
      stats: await node.stats(),
      rssBytes: process.memoryUsage.rss(),
    };
    process.send?.(report);
  };
  process.on('message', () => void report());
  process.on('disconnect', () => process.exit());
  await report();
}

if (process.argv[1] === import.meta.filename)
  process.once('message', (options: MemoryNodeOptions) => void serve(options));
