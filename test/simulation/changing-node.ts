// A memory node that follows a simulated cluster: its machine, and its processes.
import { type Address, Machine } from '../../src/simulation/network.ts';
import { ChangingProcess, type ChangingProcessOptions } from './changing-process.ts';

/** Until a supervisor starts a process again that has ended, at first and at most. */
const againMsMin = 300;
const againMsMax = 5_000;

/** A memory node: its machine, and its processes one after the other. */
export class ChangingNode {
  readonly name: string;
  readonly machine: Machine;
  readonly #of: ChangingProcessOptions;
  readonly #addresses: readonly Address[];
  readonly #processes: ChangingProcess[] = [];
  current: ChangingProcess | undefined;
  #stopped = false;

  constructor(place: number, of: ChangingProcessOptions) {
    this.name = `n${place}`;
    this.machine = new Machine(this.name);
    this.#of = of;
    const host = `10.0.0.${place}`;
    this.#addresses = Array.from({ length: of.workers }, (_, i) => ({ host, port: 4_100 + i }));
  }

  get planned(): { readonly id: string; readonly url: string } {
    const [{ host, port }] = this.#addresses;
    return { id: this.name, url: `http://${host}:${port}` };
  }

  /** Starts a process, again and again until it serves: it may have no place now. */
  async start(): Promise<void> {
    const { world, network } = this.#of;
    for (let againMs = againMsMin; !this.#stopped; againMs = Math.min(2 * againMs, againMsMax)) {
      for (const address of this.#addresses) network.place(address, this.machine);
      const process = new ChangingProcess(this.#of, this.name, this.#addresses);
      this.#processes.push(process);
      this.current = process;
      const isStarted = await process.start().then(
        () => true,
        (error: Error) => {
          world.history.add(`${this.name} does not start: ${error.message}`);
          return false;
        },
      );
      if (isStarted) return;
      await process.close();
      await world.sleep(againMs);
    }
  }

  /** @param silent nobody is told that its connections have ended */
  async restart(downMs: number, silent: boolean): Promise<void> {
    if (silent) this.machine.hold();
    this.current?.crash();
    this.current = undefined;
    await this.#of.world.sleep(downMs);
    if (silent) this.machine.release();
    await this.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.current?.stop();
  }

  async close(): Promise<void> {
    for (const process of this.#processes) await process.close();
  }
}
