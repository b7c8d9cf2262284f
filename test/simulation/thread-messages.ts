// Messages between threads of a simulation.
import type { WakeChannel, WakePort } from '../../src/engine/wake-port.ts';
import type { Dice } from '../../src/simulation/dice.ts';
import type { Processor } from '../../src/simulation/processor.ts';
import type { World } from '../../src/simulation/world.ts';

/** One direction between two threads: messages arrive later, in order. */
export class Line {
  readonly #world: World;
  readonly #dice: Dice;
  readonly #msMax: number;
  #lastAt = 0;

  constructor(world: World, dice: Dice, msMax: number) {
    this.#world = world;
    this.#dice = dice;
    this.#msMax = msMax;
  }

  send(to: Processor, act: () => void): void {
    this.#lastAt = Math.max(this.#lastAt, this.#world.now + this.#dice.share() * this.#msMax);
    this.#world.at(this.#lastAt, act, to);
  }
}

/** One end of a channel. Messages wait until somebody listens. */
class Port implements WakePort {
  readonly #world: World;
  readonly #line: Line;
  #other: Port | undefined;
  #listener: { readonly act: () => void; readonly thread: Processor } | undefined;
  #waiting = 0;
  #closed = false;

  constructor(world: World, line: Line) {
    this.#world = world;
    this.#line = line;
  }

  join(other: Port): void {
    this.#other = other;
  }

  postMessage(): void {
    if (this.#closed) return;
    this.#other?.arrive(this.#line);
  }

  arrive(line: Line): void {
    const listener = this.#listener;
    if (listener === undefined) this.#waiting++;
    else line.send(listener.thread, () => !this.#closed && listener.act());
  }

  on(_: 'message', act: () => void): { unref(): unknown } {
    const thread = this.#world.processor;
    this.#listener = { act, thread };
    for (; this.#waiting > 0; this.#waiting--) this.#world.at(this.#world.now, act, thread);
    return { unref: () => {} };
  }

  close(): void {
    this.#closed = true;
  }
}

export function wakeChannel(world: World, line: () => Line): WakeChannel {
  const [port1, port2] = [new Port(world, line()), new Port(world, line())];
  port1.join(port2);
  port2.join(port1);
  return { port1, port2 };
}
