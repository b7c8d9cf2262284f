import { earlyCreditsMax } from '../credit-limits.ts';
import { CREDIT_DROP, HEADER_BYTES } from '../wire/layout.ts';

/** How a subrequest ends whose reply is kept. One of these is called, once. */
export interface HeldEnd {
  send(reply: Uint8Array): void;
  /** Nobody waits for it any more, or its time is over. */
  drop(): void;
  expire(): void;
}

interface Held extends HeldEnd {
  granted: boolean;
  /** Undefined until it is ready. */
  reply: Uint8Array | undefined;
  readonly timer: NodeJS.Timeout;
}

/** The replies of one stream that may not be sent before a credit grants them. */
export class HeldReplies {
  readonly #held = new Map<number, Held>();
  /** Credits that have overtaken their subrequests. The oldest may be of subrequests that were answered before. */
  readonly #early = new Map<number, number>();

  /**
   * A subrequest has arrived whose reply needs a credit. @param ms how long it waits for the credit
   * @returns false if one with this id is held already
   */
  begin(id: number, ms: number, end: HeldEnd): boolean {
    if (this.#held.has(id)) return false;
    const timer = setTimeout(() => {
      this.#held.delete(id);
      end.expire();
    }, ms);
    timer.unref();
    this.#held.set(id, { ...end, granted: false, reply: undefined, timer });
    const verb = this.#early.get(id);
    if (this.#early.delete(id) && verb !== undefined) this.take(id, verb);
    return true;
  }

  /** Its reply is ready. An error has only a header, and needs no credit. */
  answered(id: number, reply: Uint8Array): void {
    const held = this.#held.get(id);
    if (held === undefined) return;
    held.reply = reply;
    if (held.granted || reply.length <= HEADER_BYTES) this.#send(id, held, reply);
  }

  /** Takes a credit. */
  take(id: number, verb: number): void {
    const held = this.#held.get(id);
    if (held === undefined) this.#remember(id, verb);
    else if (verb === CREDIT_DROP) {
      this.#end(id, held);
      held.drop();
    } else {
      held.granted = true;
      clearTimeout(held.timer);
      if (held.reply !== undefined) this.#send(id, held, held.reply);
    }
  }

  /** No more credits will come: the peer has ended its side. */
  dropWaiting(): void {
    for (const [id, { granted }] of this.#held) if (!granted) this.take(id, CREDIT_DROP);
  }

  #remember(id: number, verb: number): void {
    this.#early.set(id, verb);
    if (this.#early.size <= earlyCreditsMax) return;
    const [oldest] = this.#early.keys();
    this.#early.delete(oldest);
  }

  #send(id: number, held: Held, reply: Uint8Array): void {
    this.#end(id, held);
    held.send(reply);
  }

  #end(id: number, { timer }: Held): void {
    clearTimeout(timer);
    this.#held.delete(id);
  }

  /** The stream has ended. Nothing is sent or dropped any more. */
  close(): void {
    for (const { timer } of this.#held.values()) clearTimeout(timer);
    this.#held.clear();
    this.#early.clear();
  }
}
