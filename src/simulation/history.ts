import { createHash, type Hash } from 'node:crypto';

/** Events that a failure reports. */
const lastEvents = 60;

/** What has happened in a simulation: a hash of all events, and the last ones as text. */
export class History {
  readonly #when: () => string;
  readonly #hash: Hash = createHash('sha256');
  readonly #last: string[] = [];
  #events = 0;

  /** @param when says at what point an event happens */
  constructor(when: () => string) {
    this.#when = when;
  }

  add(event: string): void {
    const line = `${this.#when()}: ${event}`;
    this.#hash.update(line);
    this.#events++;
    this.#last.push(line);
    if (this.#last.length > 2 * lastEvents) this.#last.splice(0, lastEvents);
  }

  get events(): number {
    return this.#events;
  }

  get last(): string[] {
    return this.#last.slice(-lastEvents);
  }

  /** Equal for two runs only if they had the same events at the same times. */
  digest(): string {
    return this.#hash.copy().digest('hex');
  }
}
