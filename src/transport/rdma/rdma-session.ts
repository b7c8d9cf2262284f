import type { Exchange, Outgoing, ReplyBound, Session, Traffic } from '../transport.ts';
import { released } from '../unavailable.ts';
import { connectLink, NotOffered } from './connect.ts';
import type { Engine } from './engine.ts';
import type { RankerLink } from './ranker-link.ts';
import { reconnectMsMax, reconnectMsMin } from './settings.ts';

/** Sends subrequests to one worker: by RDMA while it is connected, otherwise by the fallback. */
export class RdmaSession implements Session {
  readonly #url: string;
  readonly #engine: Engine;
  readonly #onClose: () => void;
  readonly #instead: Session;
  #link: RankerLink | undefined;
  #connecting: Promise<void> | undefined;
  #closed = false;
  #waitMs = reconnectMsMin;
  /** Earliest time of the next attempt to connect, on the clock of `performance.now()`. */
  #connectFrom = 0;
  /** Traffic of connections that have ended. */
  #ended: Traffic = { bytesOut: 0, bytesIn: 0 };

  constructor(url: string, engine: Engine, onClose: () => void) {
    this.#url = url;
    this.#engine = engine;
    this.#onClose = onClose;
    this.#instead = engine.fallback.session(url);
    void this.connect();
  }

  /** True while it is connected. */
  get readsRows(): boolean {
    return this.#link !== undefined;
  }

  /** The replies of a link have slots. */
  replyBound(outgoing: Outgoing): ReplyBound {
    if (this.#link?.takes(outgoing)) return 'own';
    return this.#instead.replyBound?.(outgoing) ?? 'reserve';
  }

  send(outgoing: Outgoing, held = false): Exchange {
    if (this.#closed) return { reply: Promise.reject(released(this.#url)), cancel: async () => {} };
    if (this.#link === undefined && performance.now() >= this.#connectFrom) void this.connect();
    return (held ? undefined : this.#link?.send(outgoing)) ?? this.#instead.send(outgoing, held);
  }

  async connect(): Promise<void> {
    if (this.#link !== undefined || this.#closed) return;
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    await this.#connecting;
  }

  async #connect(): Promise<void> {
    try {
      const again = (outgoing: Outgoing): Exchange => this.#instead.send(outgoing);
      const link = await connectLink(this.#url, this.#engine, again, () => this.#lost());
      if (this.#closed) link.close();
      else this.#link = link;
      this.#waitMs = reconnectMsMin;
    } catch (error) {
      this.#wait(error instanceof NotOffered ? reconnectMsMax : this.#waitMs);
    }
  }

  /** The connection has ended. Its subrequests in flight are sent again by the fallback. */
  #lost(): void {
    if (this.#link) this.#ended = sum(this.#ended, this.#link.traffic);
    this.#link = undefined;
    this.#wait(this.#waitMs);
  }

  #wait(ms: number): void {
    this.#connectFrom = performance.now() + ms;
    this.#waitMs = Math.min(reconnectMsMax, ms * 2);
  }

  get traffic(): Traffic {
    return this.#link ? sum(this.#ended, this.#link.traffic) : this.#ended;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#link?.close();
    this.#link = undefined;
    this.#onClose();
    await this.#instead.close();
  }
}

function sum(a: Traffic, b: Traffic): Traffic {
  return { bytesOut: a.bytesOut + b.bytesOut, bytesIn: a.bytesIn + b.bytesIn };
}
