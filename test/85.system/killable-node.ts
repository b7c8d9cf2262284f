import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { NodeProcess } from '../../src/host/node-process.ts';

/** A memory node in a process of its own, that can be killed and started again where it was. */
export class KillableNode implements AsyncDisposable {
  readonly id: string;
  readonly #options: readonly string[];
  #process: NodeProcess;
  #port = 0;

  /** Starts it. @param plan file of the routing table */
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

  /** Ends it amid whatever it does. */
  kill(): void {
    this.#signal('SIGKILL');
  }

  /** Lets it do nothing, though its connections stay, until it is told to go on. Settles when it has stopped. */
  async stall(): Promise<void> {
    this.#signal('SIGSTOP');
    // Each thread stops when it next takes the signal: until then it may still answer a whole lookup.
    while (!this.#stopped()) await sleep(1);
  }

  goOn(): void {
    this.#signal('SIGCONT');
  }

  /** @returns whether the kernel says so of every thread; where it tells nothing, whether the signal was sent */
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

  /** Starts another in its place, at the same port, once this one is gone. */
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
