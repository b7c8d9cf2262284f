// A log of another thread, by a BroadcastChannel: this file is the module that a memory node opens.
import { FlexemrError } from '../../src/errors.ts';
import type { AddedBatch, LoggedBatch, UpdateLog } from '../../src/updates/update-log.ts';
import type { Ear, MemoryLog } from './memory-log.ts';

interface Question {
  readonly asked: 'incarnation' | 'next' | 'last';
  readonly id: string;
  readonly given: readonly unknown[];
}
interface Answer {
  readonly id: string;
  readonly value: unknown;
}
interface Added {
  readonly chain: string;
  readonly added: AddedBatch;
}
type Message = Partial<Question & Answer & Added>;

/** Answers for a log until it is closed. Nobody answers afterwards. */
export class ServedLog {
  readonly #channel: BroadcastChannel;
  readonly #deaf: () => void;

  constructor(log: MemoryLog, name: string) {
    this.#channel = new BroadcastChannel(name);
    const ear: Ear = (chain, added) => this.#channel.postMessage({ chain, added } satisfies Added);
    log.ears.add(ear);
    this.#deaf = () => log.ears.delete(ear);
    this.#channel.onmessage = async ({ data }) => {
      const { asked, id, given = [] } = (data as Message) ?? {};
      if (asked === undefined) return;
      const ask = log[asked] as (...given: unknown[]) => Promise<unknown>;
      this.#channel.postMessage({ id, value: await ask.apply(log, [...given]) });
    };
    (this.#channel as unknown as { unref?: () => void }).unref?.();
  }

  close(): void {
    this.#deaf();
    this.#channel.close();
  }
}

const msMax = 500;

class ChannelLog implements UpdateLog {
  readonly #channel: BroadcastChannel;
  readonly #waiting = new Map<string, (value: unknown) => void>();
  readonly #ears = new Set<Ear>();

  constructor(name: string) {
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => {
      const { id = '', value, chain, added } = data as Message;
      this.#waiting.get(id)?.(value);
      if (chain !== undefined && added !== undefined) for (const ear of this.#ears) ear(chain, added);
    };
  }

  async #ask(asked: Question['asked'], ...given: unknown[]): Promise<unknown> {
    const id = crypto.randomUUID();
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting.set(id, resolve);
        timer = setTimeout(() => reject(new FlexemrError('UNAVAILABLE', 'the log is away')), msMax);
        this.#channel.postMessage({ asked, id, given } satisfies Question);
      });
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  async incarnation(): Promise<number> {
    return (await this.#ask('incarnation')) as number;
  }

  async next(chain: string, after: number): Promise<LoggedBatch | undefined> {
    return (await this.#ask('next', chain, after)) as LoggedBatch | undefined;
  }

  async last(chain: string): Promise<LoggedBatch | undefined> {
    return (await this.#ask('last', chain)) as LoggedBatch | undefined;
  }

  async append(): Promise<never> {
    throw new Error('a node does not write to its log');
  }

  listen(chain: string, onAdded: (added: AddedBatch) => void): () => void {
    const ear: Ear = (to, added) => to === chain && onAdded(added);
    this.#ears.add(ear);
    return () => this.#ears.delete(ear);
  }

  async close(): Promise<void> {
    this.#channel.close();
  }
}

export async function openUpdateLog(name: string): Promise<UpdateLog> {
  return new ChannelLog(name);
}
