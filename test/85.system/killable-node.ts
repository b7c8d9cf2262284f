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

  /** Lets it do nothing, though its connections stay, until it is told to go on. */
  stall(): void {
    this.#signal('SIGSTOP');
  }

  goOn(): void {
    this.#signal('SIGCONT');
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
