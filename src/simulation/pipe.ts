import type { Dice } from './dice.ts';

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

type Item = { readonly bytes: Uint8Array; readonly taken?: () => void } | 'end' | 'reset';

/** Delays, and how bytes are cut into pieces. */
export interface Weather {
  readonly delayMsMin: number;
  readonly delayMsMax: number;
  /** The most pieces that one write arrives in. */
  readonly piecesMax: number;
  /** Bytes that may be under way. Then writes wait. */
  readonly windowBytes: number;
}

/** One direction of a connection: bytes arrive in order, later, and in other pieces. */
export class Pipe {
  readonly #dice: Dice;
  readonly #weather: Weather;
  readonly #to: PipeEnd;
  readonly #items: Item[] = [];
  /** Items whose time has come. */
  #ripe = 0;
  #lastAt = 0;
  #underWay = 0;
  #held = false;
  #cut = false;
  #blocked: (() => void) | undefined;
  readonly #onRefused: () => void;

  /** @param onRefused bytes arrived at an end that is gone */
  constructor(dice: Dice, weather: Weather, to: PipeEnd, onRefused: () => void) {
    this.#dice = dice;
    this.#weather = weather;
    this.#to = to;
    this.#onRefused = onRefused;
  }

  /** @param taken called when more may be sent */
  send(bytes: Uint8Array, taken: () => void): void {
    const pieces = Math.min(this.#dice.between(1, this.#weather.piecesMax), Math.max(1, bytes.length));
    const cuts = Array.from({ length: pieces - 1 }, () => this.#dice.between(1, bytes.length - 1));
    const bounds = [0, ...cuts.sort((a, b) => a - b), bytes.length];
    for (let i = 0; i + 1 < bounds.length; i++)
      // The sender may write to its memory again, and a Buffer's own `slice` would share it.
      if (bounds[i] < bounds[i + 1])
        this.#put({ bytes: Uint8Array.from(bytes.subarray(bounds[i], bounds[i + 1])) });
    this.#underWay += bytes.length;
    if (this.#underWay <= this.#weather.windowBytes) taken();
    else this.#blocked = taken;
  }

  end(): void {
    this.#put('end');
  }

  reset(): void {
    this.#put('reset');
  }

  #put(item: Item): void {
    if (this.#cut) return;
    this.#items.push(item);
    const { delayMsMin, delayMsMax } = this.#weather;
    const at = Math.max(this.#lastAt, performance.now() + this.#dice.between(delayMsMin, delayMsMax));
    this.#lastAt = at;
    setTimeout(() => {
      this.#ripe++;
      this.deliver();
    }, at - performance.now());
  }

  /** Nothing arrives until `release`. */
  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    this.deliver();
  }

  /** Loses what is under way, from any byte on. Nothing can be sent any more. */
  cut(): void {
    this.#cut = true;
    const kept = this.#dice.between(0, this.#items.length);
    const [first] = this.#items.splice(kept);
    this.#ripe = Math.min(this.#ripe, kept);
    if (first === undefined || typeof first === 'string') return;
    const part = first.bytes.subarray(0, this.#dice.between(0, first.bytes.length));
    if (part.length === 0) return;
    this.#items.push({ bytes: part });
  }

  /** Gives what has arrived to the end that reads it. */
  deliver(): void {
    while (!this.#held && this.#ripe > 0 && this.#items.length > 0) {
      const [item] = this.#items;
      if (typeof item !== 'string' && !this.#to.reading && !this.#to.destroyed) return;
      this.#items.shift();
      this.#ripe--;
      if (item === 'end') this.#to.receiveEnd();
      else if (item === 'reset') this.#to.receiveReset();
      else this.#give(item.bytes);
    }
  }

  #give(bytes: Uint8Array): void {
    this.#underWay -= bytes.length;
    if (this.#to.destroyed) this.#onRefused();
    else this.#to.receive(bytes);
    if (this.#underWay > this.#weather.windowBytes) return;
    const blocked = this.#blocked;
    this.#blocked = undefined;
    blocked?.();
  }
}
