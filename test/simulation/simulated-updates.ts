// The thread of a simulated node that writes row updates.
import type { RunningUpdates } from '../../src/host/update-thread.ts';
import { NodeUpdates, type Reload } from '../../src/memory-node/node-updates.ts';
import type { MeasuredGate } from '../../src/memory-node/writer-gate.ts';
import { type LocalClock, Processor } from '../../src/simulation/processor.ts';
import type { World } from '../../src/simulation/world.ts';
import { ReachedLog, type SimulatedLog } from './simulated-log.ts';

export interface SimulatedUpdatesOptions {
  readonly world: World;
  readonly log: SimulatedLog;
  readonly gate: MeasuredGate;
  readonly clock: LocalClock;
  readonly name: string;
  /** The main thread of the node. */
  readonly main: Processor;
  /** Until the next message reaches the other thread. */
  readonly messageMs: () => number;
  /** Called in the main thread. */
  readonly reload: Reload;
}

export class SimulatedUpdates implements RunningUpdates {
  readonly #of: SimulatedUpdatesOptions;
  readonly processor: Processor;
  readonly #updates: Promise<NodeUpdates>;
  readonly #ended = Promise.withResolvers<unknown>();
  readonly ended: Promise<unknown> = this.#ended.promise;
  /** When the last message to each of the two threads arrives: messages keep their order. */
  #thereAt = 0;
  #backAt = 0;

  constructor(of: SimulatedUpdatesOptions) {
    this.#of = of;
    this.processor = new Processor(`${of.name} updates`);
    this.processor.clock = of.clock;
    const { log, gate, reload } = of;
    const reached = new ReachedLog(log, this.processor);
    const readAgain: Reload = (chain) =>
      new Promise((resolve, reject) => {
        const outcome = (then: () => void): void => this.#send(then);
        this.#sendBack(() => {
          reload(chain).then(
            (start) => outcome(() => resolve(start)),
            (error) => outcome(() => reject(error)),
          );
        });
      });
    this.#updates = this.#inside(() => new NodeUpdates(reached, gate, readAgain));
  }

  #send(act: () => void): void {
    const { world, messageMs } = this.#of;
    this.#thereAt = Math.max(this.#thereAt, world.now + messageMs());
    world.at(this.#thereAt, act, this.processor);
  }

  #sendBack(act: () => void): void {
    const { world, messageMs, main } = this.#of;
    this.#backAt = Math.max(this.#backAt, world.now + messageMs());
    world.at(this.#backAt, act, main);
  }

  /** Asks the thread. */
  #inside<T>(act: () => Promise<T> | T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#send(() => {
        new Promise<T>((done) => done(act())).then(
          (value) => this.#sendBack(() => resolve(value)),
          (error) => this.#sendBack(() => reject(error)),
        );
      });
    });
  }

  async #ask<T>(act: (updates: NodeUpdates) => Promise<T> | T): Promise<T> {
    const updates = await this.#updates;
    return await this.#inside(() => act(updates));
  }

  host: RunningUpdates['host'] = (hosting) => this.#ask((updates) => updates.host(hosting));
  caughtUp: RunningUpdates['caughtUp'] = () => this.#ask((updates) => updates.caughtUp());
  stats: RunningUpdates['stats'] = () => this.#ask((updates) => updates.stats);
  close: RunningUpdates['close'] = () => this.#ask((updates) => updates.close());

  async terminate(): Promise<void> {
    this.kill();
  }

  /** It ends at once. */
  kill(): void {
    const { world, main } = this.#of;
    if (this.processor.dead) return;
    world.kill(this.processor);
    world.at(world.now, () => this.#ended.resolve('killed'), main);
  }
}
