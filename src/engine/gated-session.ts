import { sessionWindow } from '../limits.ts';
import type { Exchange, Outgoing, Received, ReplyBound, Session } from '../transport/transport.ts';
import { unwanted } from '../transport/transport.ts';
import type { ConnectionTable } from './connection-table.ts';

/** A subrequest that waits for a credit. */
interface Waiting {
  readonly outgoing: Outgoing;
  readonly resolve: (reply: Received) => void;
  readonly reject: (error: unknown) => void;
  /** Once it was sent. */
  exchange: Exchange | undefined;
}

/** Bytes that count as much as a subrequest without any. */
const bytesAsWork = 4_096;

/**
 * A connection that several engines send over. Together they have no more subrequests in flight than one may have; the others
 * wait in order. It counts them, so that the work of engines can be balanced.
 */
export class GatedSession {
  readonly #number: number;
  readonly #table: ConnectionTable;
  readonly #session: Session;
  readonly #onIdle: () => void;
  readonly #waiting: Waiting[] = [];
  #inFlight = 0;

  /** @param onIdle is called whenever nothing is in flight */
  constructor(number: number, table: ConnectionTable, session: Session, onIdle: () => void) {
    this.#number = number;
    this.#table = table;
    this.#session = session;
    this.#onIdle = onIdle;
  }

  get readsRows(): boolean {
    return this.#session.readsRows === true;
  }

  replyBound(outgoing: Outgoing): ReplyBound {
    // Who waits may find another connection, which takes no credits.
    return this.#isFull ? 'reserve' : (this.#session.replyBound?.(outgoing) ?? 'reserve');
  }

  get #isFull(): boolean {
    return this.#inFlight >= sessionWindow;
  }

  /** Whether nothing is in flight or waits. */
  get isIdle(): boolean {
    return this.#inFlight === 0 && this.#waiting.length === 0;
  }

  /** Connects before there is something to send. */
  async connect(): Promise<void> {
    await this.#session.connect?.();
  }

  /** @param held the reply must wait for its grant; only if `replyBound` says `hold` */
  send(outgoing: Outgoing, held = false): Exchange {
    this.#table.addWork(this.#number, 1 + Math.floor((outgoing.bytes + outgoing.replyBytes) / bytesAsWork));
    if (!this.#isFull) return this.#begin(outgoing, held);
    const { promise: reply, resolve, reject } = Promise.withResolvers<Received>();
    const waiting: Waiting = { outgoing, resolve, reject, exchange: undefined };
    this.#waiting.push(waiting);
    this.#table.addQueued(this.#number, 1);
    return { reply, cancel: () => this.#cancel(waiting) };
  }

  #begin(outgoing: Outgoing, held: boolean): Exchange {
    this.#inFlight++;
    const exchange = this.#session.send(outgoing, held);
    let cancelled: Promise<void> | undefined;
    const cancel = (): Promise<void> => {
      cancelled ??= exchange.cancel();
      return cancelled;
    };
    // A cancelled subrequest is in flight until its worker is done with it.
    const ended = (): void => {
      if (cancelled === undefined) this.#ended();
      else void cancelled.then(() => this.#ended());
    };
    exchange.reply.then(ended, ended);
    const { reply, dropsReply = false } = exchange;
    return { reply, dropsReply, grant: () => exchange.grant?.(), cancel };
  }

  #ended(): void {
    this.#inFlight--;
    const next = this.#waiting.shift();
    if (next !== undefined) {
      this.#table.addQueued(this.#number, -1);
      next.exchange = this.#begin(next.outgoing, false);
      next.exchange.reply.then(next.resolve, next.reject);
    } else if (this.#inFlight === 0) this.#onIdle();
  }

  async #cancel(waiting: Waiting): Promise<void> {
    if (waiting.exchange !== undefined) {
      await waiting.exchange.cancel();
      return;
    }
    const at = this.#waiting.indexOf(waiting);
    if (at >= 0) {
      this.#waiting.splice(at, 1);
      this.#table.addQueued(this.#number, -1);
    }
    waiting.reject(unwanted());
  }

  async close(): Promise<void> {
    await this.#session.close();
  }
}
