import { FlexemrError } from '../errors.ts';
import { updateStreamBytes } from '../update-limits.ts';
import { digestIn, readBatch, withoutRows } from '../updates/batch.ts';
import { digestOf } from '../updates/digest.ts';
import type { AddedBatch, LoggedBatch, UpdateLog } from '../updates/update-log.ts';
import { type NatsAddress, parseNatsAddress } from './address.ts';
import { Connection, isAbsent, type JetStreams } from './connection.ts';
import type { NatsCredentials } from './credentials.ts';
import { ensureStream } from './ensure-stream.ts';
import type { JetStreamClient, JetStreamManager, Msg, StoredMsg, StreamInfo } from './library.ts';

const reading = 'cannot read row updates';
const writing = 'cannot write row updates';

/**
 * Row updates in a stream of NATS JetStream, beside the bucket of the cluster: a subject for each chain. The server sends each batch that
 * it has stored to who listens, with its sequence and that of the one before; what was missed is asked for, one batch after the other.
 * Nothing of readers is kept at the server.
 */
export class UpdateStream implements UpdateLog {
  readonly #connection: Connection;
  readonly #address: NatsAddress;
  readonly #client: JetStreamClient;
  readonly #manager: JetStreamManager;
  readonly #headers: JetStreams['headers'];
  readonly #stream: string;

  /**
   * @param options.create it, if it is not there @throws INVALID_OPTION, UNAVAILABLE, UNAUTHORIZED, MISSING_DEPENDENCY
   */
  static async open(
    where: string,
    credentials: NatsCredentials = {},
    { create = false }: { readonly create?: boolean } = {},
  ): Promise<UpdateStream> {
    const address = parseNatsAddress(where);
    const connection = await Connection.open(address, credentials);
    try {
      if (create) await ensureUpdateStream(connection, address);
      return await UpdateStream.over(connection, address);
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  /** Over a connection that is there. */
  static async over(connection: Connection, address: NatsAddress): Promise<UpdateStream> {
    return new UpdateStream(connection, await connection.jetStream(), address);
  }

  private constructor(
    connection: Connection,
    { client, manager, headers }: JetStreams,
    address: NatsAddress,
  ) {
    this.#connection = connection;
    this.#address = address;
    this.#client = client;
    this.#manager = manager;
    this.#headers = headers;
    this.#stream = streamName(address);
  }

  async incarnation(): Promise<number> {
    return incarnationOf(await this.#ask(reading, () => this.#manager.streams.info(this.#stream)));
  }

  async next(chain: string, after: number): Promise<LoggedBatch | undefined> {
    const next_by_subj = this.#subject(chain);
    for (let seq = after + 1; ; ) {
      const from = seq;
      const message = await this.#message(() =>
        this.#manager.direct.getMessage(this.#stream, { seq: from, next_by_subj }),
      );
      if (message === undefined) return undefined;
      const found = logged(message);
      if (found !== undefined) return found;
      seq = message.seq + 1;
    }
  }

  async last(chain: string): Promise<LoggedBatch | undefined> {
    // The leader has every message that was acknowledged.
    const message = await this.#message(() =>
      this.#manager.streams.getMessage(this.#stream, { last_by_subj: this.#subject(chain) }),
    );
    return message && logged(message);
  }

  /** The message with a sequence, whatever it is, or undefined. @throws UNAVAILABLE, UNAUTHORIZED */
  at(sequence: number): Promise<StoredMsg | undefined> {
    return this.#message(() => this.#manager.streams.getMessage(this.#stream, { seq: sequence }));
  }

  async append(chain: string, batch: Uint8Array, after: number): Promise<number | undefined> {
    // Whoever has a cache needs only these, and asks for headers only.
    const keys = Buffer.from(withoutRows(batch)).toString('base64');
    const { messageBytesMax, isClustered } = await this.#connection.server();
    checkSize(batch.length + keys.length, messageBytesMax);
    const headers = this.#headers();
    headers.set(keysHeader, keys);
    const options = {
      headers,
      msgID: `${chain} ${digestIn(batch)}`,
      expect: { lastSubjectSequence: after },
    };
    const { seq, duplicate } = await this.#ask(writing, () =>
      this.#client.publish(this.#subject(chain), batch, options),
    );
    // One server keeps its word for the last sequence of a subject.
    return duplicate || isClustered !== false ? undefined : seq;
  }

  /** Forgets the batches of a chain before a sequence, which must be that of one of them. @throws UNAVAILABLE, UNAUTHORIZED */
  async forget(chain: string, before: number): Promise<void> {
    // The server takes 0 for all of them.
    if (before < 2) return;
    const filter = this.#subject(chain);
    await this.#ask('cannot delete row updates', () =>
      this.#manager.streams.purge(this.#stream, { filter, seq: before }),
    );
  }

  listen(chain: string, onAdded: (added?: AddedBatch) => void): () => void {
    return this.#connection.listen(
      `${addedName(this.#address)}.${chain}`,
      (message) => onAdded(added(message)),
      () => onAdded(),
      () => {},
    );
  }

  #subject(chain: string): string {
    return `${this.#stream}.${chain}`;
  }

  #ask<T>(what: string, work: () => Promise<T>): Promise<T> {
    return this.#connection.ask(what, work);
  }

  /** A message, or undefined if there is none, or not even the stream. */
  async #message(get: () => Promise<StoredMsg | null>): Promise<StoredMsg | undefined> {
    return (
      (await this.#ask(reading, () =>
        get().catch((error: Error) => {
          if (isAbsent(error) || error.message === 'no message found') return null;
          throw error;
        }),
      )) ?? undefined
    );
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }
}

/** The server would close the connection. @throws LIMIT_EXCEEDED */
function checkSize(bytes: number, most: number): void {
  if (bytes <= most) return;
  const message = `a batch of row updates has ${bytes} bytes, and the server takes ${most}. Raise max_payload in the configuration of nats-server, or send batches of fewer rows`;
  throw new FlexemrError('LIMIT_EXCEEDED', message, { field: 'batch', value: bytes });
}

/** Which stream it is: one that was made anew has another. u32, never 0. */
export function incarnationOf({ created, config: { name } }: StreamInfo): number {
  const words = new Uint32Array(new TextEncoder().encode(`${name} ${created}`));
  return Number(digestOf(words) & 0xffffffffn) || 1;
}

/** A header with the bytes of a batch without its rows, as base64. */
export const keysHeader = 'Flexemr-Keys';

/** A batch as the server sends it to who listens. Undefined: something else was added. */
function added({ data, headers }: Msg): AddedBatch | undefined {
  const [seq, before] = [headers?.get(sequenceHeader), headers?.get(beforeHeader)].map(Number);
  const found = seq > 0 && before >= 0 ? logged({ seq, data }) : undefined;
  return found && { ...found, before };
}

/** Headers of the server: the sequence of a message that it has stored, and of the one before with the same subject. */
const sequenceHeader = 'Nats-Sequence';
const beforeHeader = 'Nats-Last-Sequence';

/** Anything that is not a batch is left out, by all readers. */
function logged({ seq, data }: Pick<StoredMsg, 'seq' | 'data'>): LoggedBatch | undefined {
  try {
    return { sequence: seq, batch: readBatch(data) };
  } catch (error) {
    if (error instanceof FlexemrError) return undefined;
    throw error;
  }
}

export function streamName({ bucket }: NatsAddress): string {
  return `${bucket}-updates`;
}

/** The subjects, by chain, to which the server sends what it has stored. */
function addedName({ bucket }: NatsAddress): string {
  return `${bucket}-added`;
}

/** Creates the stream of a cluster, if it is not there. @throws INVALID_OPTION, UNAVAILABLE, UNAUTHORIZED */
export async function ensureUpdateStream(connection: Connection, address: NatsAddress): Promise<void> {
  const name = streamName(address);
  await ensureStream(connection, address, `stream ${name}`, {
    ...{ name, subjects: [`${name}.*`], max_bytes: updateStreamBytes },
    ...{ retention: 'limits', discard: 'new', storage: 'file' },
    ...{ allow_direct: true, deny_delete: true },
    // Who listens is sent what is stored.
    republish: { src: `${name}.*`, dest: `${addedName(address)}.{{wildcard(1)}}` },
  });
}
