import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { NodeProcess } from '../../src/host/node-process.ts';

/** A memory node in its own process, which can be killed and restarted at the same port. */
export class KillableNode implements AsyncDisposable {
  readonly id: string;
  readonly #options: readonly string[];
  #process: NodeProcess;
  #port = 0;

  /** Starts a node. @param plan file of the routing table */
  static async start(id: string, tables: string, plan: string): Promise<KillableNode> {
    const node = new KillableNode(id, ['--tables', tables, '--plan', plan, '--node', id]);
    const { ports } = await node.#process.ready();
    node.#port = ports[0];
    return node;
  }

  private constructor(id: string, options: readonly string[]) {
    this.id = id;
    this.#options = options;
    this.#process = new NodeProcess(id, options);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Kills the process at once. */
  kill(): void {
    this.#signal('SIGKILL');
  }

  /** Stops the process, whose connections stay open, until it is continued. Resolves when it has stopped. */
  async stall(): Promise<void> {
    this.#signal('SIGSTOP');
    // Each thread stops when it handles the signal. Until then it can still answer lookups.
    while (!this.#stopped()) await sleep(1);
  }

  goOn(): void {
    this.#signal('SIGCONT');
  }

  /** @returns whether every thread is stopped; always true on systems other than Linux */
  #stopped(): boolean {
    if (process.platform !== 'linux') return true;
    const threads = `/proc/${this.#process.pid}/task`;
    return readdirSync(threads).every((thread) => {
      const stat = readFileSync(`${threads}/${thread}/stat`, 'utf8');
      return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
    });
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#process;
    if (pid !== undefined) process.kill(pid, signal);
  }

  /** Starts a new process at the same port after the old one has ended. */
  async restart(): Promise<void> {
    await this.#process.stop();
    this.#process = new NodeProcess(this.id, [...this.#options, '--port', String(this.#port)]);
    await this.#process.ready();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.#process.stop();
  }
}
