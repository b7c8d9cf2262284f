import { natsReconnectMs } from '../cluster-limits.ts';
import { cacheCheckMs, cacheStalledMsMax } from '../update-limits.ts';
import { type BatchKeys, readBatch, readWithoutRows } from '../updates/batch.ts';
import { endOf } from '../updates/chain-end.ts';
import type { KeysListener, UpdatedKeys } from '../updates/updated-keys.ts';
import { type NatsAddress, parseNatsAddress } from './address.ts';
import { Connection, type JetStreams } from './connection.ts';
import type { NatsCredentials } from './credentials.ts';
import type { ConsumerMessages, JetStreamClient, JetStreamManager, JsMsg, StreamInfo } from './library.ts';
import { incarnationOf, keysHeader, streamName, UpdateStream } from './update-stream.ts';

const reading = 'cannot hear row updates';

/** The end of the stream when it was asked for. */
interface Sight {
  readonly at: number;
  readonly sequence: number;
}

/** A batch that was heard. */
interface LastHeard {
  readonly incarnation: number;
  readonly sequence: number;
  readonly digest: bigint;
}

/**
 * Hears from the stream of row updates which keys are updated. The server sends headers only. Whenever something may have been missed, it
 * begins anew: the server may have lost the last messages, and given their numbers again.
 */
export class KeyStream implements UpdatedKeys {
  readonly #connection: Connection;
  readonly #log: UpdateStream;
  readonly #client: JetStreamClient;
  readonly #manager: JetStreamManager;
  readonly #stream: string;
  #messages: ConsumerMessages | undefined;
  /** Ends of pauses. */
  readonly #wakes = new Set<() => void>();
  #closed = false;
  #isAway = false;
  /** The last sequence that was heard, and the chains of all of them, since it began. */
  #heard = 0;
  readonly #chains = new Set<string>();
  /** The last batch that was heard, ever. */
  #last: LastHeard | undefined;
  /** What must have been heard before it is known to be current. */
  #sight: Sight | undefined;
  readonly #forget: () => void;

  /** @throws INVALID_OPTION, UNAVAILABLE, UNAUTHORIZED, MISSING_DEPENDENCY */
  static async open(where: string, credentials: NatsCredentials = {}): Promise<KeyStream> {
    const address = parseNatsAddress(where);
    const connection = await Connection.open(address, credentials);
    try {
      const log = await UpdateStream.over(connection, address);
      return new KeyStream(address, connection, log, await connection.jetStream());
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  private constructor(
    address: NatsAddress,
    connection: Connection,
    log: UpdateStream,
    { client, manager }: JetStreams,
  ) {
    this.#connection = connection;
    this.#log = log;
    this.#client = client;
    this.#manager = manager;
    this.#stream = streamName(address);
    this.#forget = connection.onBack(() => this.#end());
  }

  listen(listener: KeysListener): void {
    void this.#run(listener);
  }

  async #run(listener: KeysListener): Promise<void> {
    while (!this.#closed) {
      await this.#follow(listener).catch((error: Error) => this.#away(listener, error));
      if (!this.#closed) await this.#pause(natsReconnectMs * (0.5 + Math.random() / 2));
    }
  }

  #away(listener: KeysListener, error: Error): void {
    if (this.#isAway || this.#closed) return;
    this.#isAway = true;
    listener.onAway(error);
  }

  /** Hears everything until something may have been missed. */
  async #follow(listener: KeysListener): Promise<void> {
    const info = await this.#info();
    const incarnation = incarnationOf(info);
    const lost = await this.#hasLost(incarnation);
    const messages = await this.#connection.ask(reading, async () => {
      const options = { deliver_policy: 'last_per_subject', headers_only: true } as const;
      return await (await this.#client.consumers.get(this.#stream, options)).consume();
    });
    if (this.#closed) return await end(messages);
    this.#messages = messages;
    this.#heard = 0;
    this.#chains.clear();
    this.#sight = undefined;
    listener.onBegin(incarnation, lost);
    this.#watch(messages).catch(() => this.#end(messages));
    void this.#check(listener, messages, info);
    try {
      for await (const message of messages) {
        const chain = message.subject.slice(this.#stream.length + 1);
        const isFirst = !this.#chains.has(chain);
        const heard = await this.#read(message, chain, isFirst && info.config.num_replicas > 1);
        // Another one may have begun meanwhile.
        if (this.#messages !== messages) return;
        this.#chains.add(chain);
        if (heard !== undefined) {
          listener.onBatch({ ...heard, chain });
          this.#last = { incarnation, sequence: message.seq, digest: heard.digest };
        }
        this.#heard = message.seq;
        this.#tellCurrent(listener);
      }
    } finally {
      this.#end(messages);
    }
  }

  /** Whether the stream may have lost something that was heard: a server that loses power loses the last messages. */
  async #hasLost(incarnation: number): Promise<boolean> {
    const last = this.#last;
    if (last === undefined || last.incarnation !== incarnation) return false;
    return (await this.#readWhole(last.sequence))?.position.digest !== last.digest;
  }

  /** The keys of a message. @param mayHaveLost whether it may be no part of its chain, because servers of 2.9 let several writers win */
  async #read(message: JsMsg, chain: string, mayHaveLost: boolean): Promise<Read | undefined> {
    const batch = keysIn(message) ?? (await this.#readWhole(message.seq));
    if (batch === undefined) return undefined;
    const { digest } = batch.position;
    if (!mayHaveLost || batch.after === message.seq - 1) return { ...batch, digest };
    const found = await endOf(this.#log, chain, await this.#log.incarnation());
    return { ...batch, digest, position: found?.position ?? batch.position };
  }

  /** Reads a message that does not say its keys. @returns undefined if it is no batch: nodes leave it out, too */
  async #readWhole(sequence: number): Promise<BatchKeys | undefined> {
    const stored = await this.#log.at(sequence);
    return stored && orUndefined(() => readBatch(stored.data));
  }

  /** Begins anew if the client does so, because it would not see that the server has lost messages. */
  async #watch(messages: ConsumerMessages): Promise<void> {
    for await (const { type } of messages.status()) if (endings.has(type)) this.#end(messages);
  }

  /** Asks now and then for the end of the stream. */
  async #check(listener: KeysListener, messages: ConsumerMessages, begun: StreamInfo): Promise<void> {
    while (this.#messages === messages && !this.#closed) {
      const [at, heard] = [performance.now(), this.#heard];
      const info = await this.#info().catch(() => undefined);
      if (this.#messages !== messages) return;
      if (info !== undefined) {
        const sequence = info.state.last_seq;
        const isStalled = this.#sight !== undefined && at - this.#sight.at > cacheStalledMsMax;
        if (isStalled || info.created !== begun.created || sequence < heard) return this.#end(messages);
        this.#sight ??= { at, sequence };
        this.#tellCurrent(listener);
      }
      await this.#pause(cacheCheckMs * (0.5 + Math.random() / 2));
    }
  }

  #tellCurrent(listener: KeysListener): void {
    if (this.#sight === undefined || this.#heard < this.#sight.sequence) return;
    listener.onCurrent(this.#sight.at);
    this.#isAway = false;
    this.#sight = undefined;
  }

  #info(): Promise<StreamInfo> {
    return this.#connection.ask(reading, () => this.#manager.streams.info(this.#stream));
  }

  #end(messages: ConsumerMessages | undefined = this.#messages): void {
    if (messages === undefined || this.#messages !== messages) return;
    this.#messages = undefined;
    void end(messages);
    for (const wake of this.#wakes) wake();
  }

  #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    const wake = (): void => {
      clearTimeout(timer);
      resolve();
    };
    this.#wakes.add(wake);
    return promise.finally(() => this.#wakes.delete(wake));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#forget();
    this.#end();
    for (const wake of this.#wakes) wake();
    await this.#connection.close();
  }
}

/** A batch that was read, and its own digest. Its position is that of the end of its chain. */
interface Read extends BatchKeys {
  readonly digest: bigint;
}

/** What the client says when it begins anew, or when the server does not send any more. */
const endings: ReadonlySet<string> = new Set([
  ...['reset', 'ordered_consumer_recreated', 'heartbeats_missed', 'no_responders'],
  ...['consumer_not_found', 'consumer_deleted', 'stream_not_found'],
]);

/** Nobody needs the consumer any more; the server forgets one that is not deleted. */
async function end(messages: ConsumerMessages): Promise<void> {
  await messages.close().catch(() => {});
}

function keysIn({ headers }: JsMsg): BatchKeys | undefined {
  const text = headers?.get(keysHeader);
  return text ? orUndefined(() => readWithoutRows(Buffer.from(text, 'base64'))) : undefined;
}

function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
