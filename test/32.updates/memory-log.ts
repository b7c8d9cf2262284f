// A log of row updates in memory, which can lose what it has acknowledged, and let writers win who were late.
import { FlexemrError } from '../../src/errors.ts';
import { readBatch } from '../../src/updates/batch.ts';
import type { AddedBatch, LoggedBatch, UpdateLog } from '../../src/updates/update-log.ts';

/** Hears what is added to any chain. */
export type Ear = (chain: string, added: AddedBatch) => void;

export class MemoryLog implements UpdateLog {
  readonly messages: { readonly chain: string; readonly logged: LoggedBatch }[] = [];
  /** Sequences go back when messages are lost, so that they are used again. */
  sequence = 0;
  made = 1;
  /** Whether it lets writers win that expect the same sequence, as servers with replicas did. */
  isLax = false;
  readonly ears = new Set<Ear>();

  async incarnation(): Promise<number> {
    return this.made;
  }

  async next(chain: string, after: number): Promise<LoggedBatch | undefined> {
    return this.messages.find((each) => each.chain === chain && each.logged.sequence > after)?.logged;
  }

  async last(chain: string): Promise<LoggedBatch | undefined> {
    return this.#lastOf(chain);
  }

  #lastOf(chain: string): LoggedBatch | undefined {
    return this.messages.findLast((each) => each.chain === chain)?.logged;
  }

  async append(chain: string, bytes: Uint8Array, after: number): Promise<number | undefined> {
    await undefined;
    const batch = readBatch(bytes);
    const last = this.#lastOf(chain)?.sequence ?? 0;
    if (last !== after && !this.isLax) throw new FlexemrError('CONFLICT', 'another writer was first');
    const logged = { sequence: ++this.sequence, batch };
    this.messages.push({ chain, logged });
    for (const ear of this.ears) ear(chain, { ...logged, before: last });
    return this.isLax ? undefined : logged.sequence;
  }

  /** Forgets its last messages, and uses their sequences again. */
  lose(count: number): void {
    this.messages.splice(this.messages.length - count, count);
    this.sequence = this.messages.at(-1)?.logged.sequence ?? 0;
  }

  /** Forgets the batches of a chain before a sequence. */
  forgetBefore(chain: string, sequence: number): void {
    const isKept = (each: (typeof this.messages)[number]): boolean =>
      each.chain !== chain || each.logged.sequence >= sequence;
    const kept = this.messages.filter(isKept);
    this.messages.splice(0, this.messages.length, ...kept);
  }

  /** Forgets its first messages, as nobody should make it do who keeps none of a chain. */
  forget(count: number): void {
    this.messages.splice(0, count);
  }

  /** It is made anew. */
  clear(): void {
    this.messages.length = 0;
    this.sequence = 0;
    this.made++;
  }

  listen(chain: string, onAdded: (added: AddedBatch) => void): () => void {
    const ear: Ear = (to, added) => to === chain && onAdded(added);
    this.ears.add(ear);
    return () => this.ears.delete(ear);
  }

  async close(): Promise<void> {}
}
