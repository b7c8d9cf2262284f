// What happens to engines in a simulation, and when.
import type { Dice } from '../../src/simulation/dice.ts';
import type { World } from '../../src/simulation/world.ts';
import type { SimulatedEngines } from './engine-ranker.ts';

/** Connections also move after the last fault: a move is no fault. */
const calmMovesMs = 1_500;

/** Engines that start again have started by then, if messages are fast. */
const startMsMax = 5;

export class EngineFaults {
  readonly #world: World;
  readonly #engines: SimulatedEngines;
  readonly #dice: Dice;

  constructor(world: World, engines: SimulatedEngines) {
    this.#world = world;
    this.#engines = engines;
    this.#dice = world.dice.fork();
  }

  /** @param withinMs all of them begin by then @returns once all of them have ended */
  async run(withinMs: number): Promise<void> {
    const { moves, stalls, deaths, engines } = this.#engines.plan;
    const place = (): number => this.#dice.between(0, engines - 1);
    await Promise.all([
      ...this.#some(stalls, withinMs, () => this.#engines.stall(place(), this.#dice.pick([1, 10, 60, 400]))),
      ...this.#some(deaths, withinMs, () => this.#die(place, engines)),
      ...this.#some(moves, withinMs + calmMovesMs, () => this.#move(place())),
    ]);
  }

  #some(count: number, withinMs: number, act: () => Promise<void>): Promise<void>[] {
    return Array.from({ length: count }, async () => {
      await this.#world.sleep(this.#dice.between(0, withinMs));
      await act();
    });
  }

  /** An engine dies, and perhaps another one while they start again. */
  async #die(place: () => number, engines: number): Promise<void> {
    const again = engines > 1 && this.#dice.chance(0.5);
    const first = this.#engines.die(place());
    if (again) {
      await this.#world.sleep(this.#dice.share() * startMsMax);
      await this.#engines.die(place());
    }
    await first;
  }

  async #move(to: number): Promise<void> {
    const connections = [...this.#engines.ranker.owners.keys()];
    if (connections.length === 0) return;
    const connection = this.#dice.pick(connections);
    this.#world.history.add(`connection ${connection} moves to engine ${to}`);
    await this.#engines.move(connection, to);
  }
}
