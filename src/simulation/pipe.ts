import type { Dice } from './dice.ts';
import type { Processor } from './processor.ts';
import type { World } from './world.ts';

/** The end of a pipe. */
export interface PipeEnd {
  readonly destroyed: boolean;
  /** Whether it takes bytes now. If not, it calls `deliver` when it does. */
  readonly reading: boolean;
  receive(bytes: Uint8Array): void;
  /** The other side has ended. */
  receiveEnd(): void;
  /** The other side has gone. */
  receiveReset(): void;
}

interface Item {
  /** When it arrives. */
  readonly at: number;
  readonly what: Uint8Array | 'end' | 'reset';
}

/** Delays, and how bytes are cut into pieces. */
export interface Weather {
  readonly delayMsMin: number;
  readonly delayMsMax: number;
  /** Delays that were measured; each is as likely as the others. Default: what is between the two above. */
  readonly delaysMs?: readonly number[] | undefined;
  /** The most pieces that one write arrives in. */
  readonly piecesMax: number;
  /** Bytes that may be under way. Then writes wait. */
  readonly windowBytes: number;
  /** What the network card of each machine sends and receives in a millisecond. Default: no limit. */
  readonly bytesPerMs?: number | undefined;
}

/** The delay of the next bytes. */
export function delayOf(dice: Dice, { delayMsMin, delayMsMax, delaysMs }: Weather): number {
  return delaysMs === undefined ? dice.between(delayMsMin, delayMsMax) : dice.pick(delaysMs);
}

/** What one end of a pipe is connected to, and by what. */
export interface PipeOptions {
  readonly world: World;
  readonly dice: Dice;
  readonly weather: Weather;
  readonly from: Processor;
  readonly to: Processor;
}

/** One direction of a connection: bytes arrive in order, later, and in other pieces. */
export class Pipe {
  readonly #of: PipeOptions;
  readonly #end: PipeEnd;
  readonly #items: Item[] = [];
  #lastAt = 0;
  #underWay = 0;
  #held = false;
  #cut = false;
  #blocked: (() => void) | undefined;
  /** The event in which it was written to last. */
  #writtenAt = -1;
  readonly #onRefused: () => void;

  /** @param onRefused bytes arrived at an end that is gone */
  constructor(of: PipeOptions, end: PipeEnd, onRefused: () => void) {
    this.#of = of;
    this.#end = end;
    this.#onRefused = onRefused;
  }

  /** @param taken called when more may be sent */
  send(bytes: Uint8Array, taken: () => void): void {
    const { world, dice, weather } = this.#of;
    // What is written at once is one call of the system.
    if (this.#writtenAt !== world.steps) world.write();
    this.#writtenAt = world.steps;
    const pieces = Math.min(dice.between(1, weather.piecesMax), Math.max(1, bytes.length));
    const cuts = Array.from({ length: pieces - 1 }, () => dice.between(1, bytes.length - 1));
    const bounds = [0, ...cuts.sort((a, b) => a - b), bytes.length];
    for (let i = 0; i + 1 < bounds.length; i++)
      // The sender may write to its memory again.
      if (bounds[i] < bounds[i + 1]) this.#put(new Uint8Array(bytes.subarray(bounds[i], bounds[i + 1])));
    this.#underWay += bytes.length;
    if (this.#underWay <= weather.windowBytes) taken();
    else this.#blocked = taken;
  }

  end(): void {
    this.#put('end');
  }

  reset(): void {
    this.#put('reset');
  }

  #put(what: Item['what']): void {
    if (this.#cut) return;
    const { world, to } = this.#of;
    const at = Math.max(this.#lastAt, this.#arrival(typeof what === 'string' ? 0 : what.length));
    this.#lastAt = at;
    this.#items.push({ at, what });
    world.at(at, () => this.deliver(), to);
  }

  /** When so many bytes arrive that are sent now. */
  #arrival(bytes: number): number {
    const { world, dice, weather, from, to } = this.#of;
    const { bytesPerMs } = weather;
    from.nic.bytesSent += bytes;
    to.nic.bytesReceived += bytes;
    const delayMs = delayOf(dice, weather);
    if (bytesPerMs === undefined) return world.now + delayMs;
    const ms = bytes / bytesPerMs;
    from.nic.sendsUntil = Math.max(world.now, from.nic.sendsUntil) + ms;
    // A card begins to receive while the other one still sends.
    to.nic.receivesUntil = Math.max(from.nic.sendsUntil - ms + delayMs, to.nic.receivesUntil) + ms;
    return to.nic.receivesUntil;
  }

  /** Nothing arrives until `release`. */
  hold(): void {
    this.#held = true;
  }

  release(): void {
    const { world, to } = this.#of;
    this.#held = false;
    world.at(world.now, () => this.deliver(), to);
  }

  /** Loses what is under way, from any byte on. Nothing can be sent any more. */
  cut(): void {
    const { dice } = this.#of;
    this.#cut = true;
    const [first] = this.#items.splice(dice.between(0, this.#items.length));
    if (first === undefined || typeof first.what === 'string') return;
    const what = first.what.subarray(0, dice.between(0, first.what.length));
    if (what.length > 0) this.#items.push({ at: first.at, what });
  }

  /** Gives what has arrived to the end that reads it. */
  deliver(): void {
    const { world, to } = this.#of;
    const until = world.now;
    let isRead = false;
    while (!this.#held && this.#items.length > 0 && this.#items[0].at <= until) {
      const [{ what }] = this.#items;
      if (typeof what !== 'string' && !this.#end.reading && !this.#end.destroyed) return;
      this.#items.shift();
      // What has arrived is read at once.
      if (!isRead) world.work(to.costs.readMs);
      isRead = true;
      if (what === 'end') this.#end.receiveEnd();
      else if (what === 'reset') this.#end.receiveReset();
      else this.#give(what);
    }
  }

  #give(bytes: Uint8Array): void {
    const { world, weather, from } = this.#of;
    this.#underWay -= bytes.length;
    if (this.#end.destroyed) this.#onRefused();
    else this.#end.receive(bytes);
    const blocked = this.#blocked;
    if (blocked === undefined || this.#underWay > weather.windowBytes) return;
    this.#blocked = undefined;
    world.at(world.now, blocked, from);
  }
}
