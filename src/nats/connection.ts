import { check } from '../check.ts';
import { natsAttemptMs, natsPingMs, natsReconnectMs, natsRequestMs } from '../cluster-limits.ts';
import { type ErrorCode, FlexemrError } from '../errors.ts';
import type { NatsAddress } from './address.ts';
import { type NatsCredentials, natsCredentials } from './credentials.ts';
import {
  type JetStreamClient,
  type JetStreamManager,
  type KV,
  loadNats,
  type Msg,
  type NatsConnection,
  type NatsLibrary,
  type NodeConnectionOptions,
} from './library.ts';
import { serverIdentity } from './server-identity.ts';

/** Nobody answers for JetStream: it is off, it starts, or a bucket has no leader. */
function isUnanswered(error: Error): boolean {
  return error.name === 'JetStreamNotEnabled';
}

const otherWriter = 'somebody else has changed it meanwhile. Read it again, and decide again.';

/** Where a text is published, and the last sequence of its stream. */
export interface Place {
  readonly stream: string;
  readonly subject: string;
  readonly last: number;
}

/** What reads and writes streams. */
export interface JetStreams {
  readonly client: JetStreamClient;
  readonly manager: JetStreamManager;
  /** Makes the headers of a message. */
  readonly headers: NatsLibrary['transport']['headers'];
}

/** A text that was published. */
export interface Written {
  readonly revision: number;
  readonly created: Date;
}

/** What JetStream says if there is no such bucket. */
export function isAbsent(error: Error): boolean {
  return error.message === 'stream not found';
}

/** The server counts the subject of a message and its headers, too. */
const messageHeadBytes = 1_024;

/** Codes of JetStream. */
const wrongLastSequence = [10_071, 10_164];
const notEnabled = [10_039, 10_076];
const isFull = [10_047, 10_077, 10_122];

/** A connection to NATS. If it is lost, it comes back by itself. */
export class Connection {
  readonly #address: NatsAddress;
  readonly #library: NatsLibrary;
  readonly #nats: NatsConnection;
  readonly #onBack = new Set<() => void>();
  #away: PromiseWithResolvers<void> | undefined;
  #closed = false;

  /** @throws INVALID_OPTION, UNAVAILABLE, UNAUTHORIZED, MISSING_DEPENDENCY */
  static async open(address: NatsAddress, given: NatsCredentials): Promise<Connection> {
    const credentials = check(natsCredentials, given, 'nats');
    const library = await loadNats();
    try {
      const nats = await library.transport.connect(connectionOptions(address, credentials, library));
      return new Connection(address, library, nats);
    } catch (cause) {
      throw failure(library, address.shown, 'cannot connect', cause as Error);
    }
  }

  private constructor(address: NatsAddress, library: NatsLibrary, nats: NatsConnection) {
    this.#address = address;
    this.#library = library;
    this.#nats = nats;
    void this.#follow();
  }

  async #follow(): Promise<void> {
    for await (const { type } of this.#nats.status()) {
      if (type === 'disconnect') this.#away ??= Promise.withResolvers();
      if (type !== 'reconnect') continue;
      this.#away?.resolve();
      this.#away = undefined;
      for (const back of this.#onBack) back();
    }
  }

  /** What the server says of itself: the largest message that it takes, in bytes, and whether it is one of several, if that is known. */
  async server(): Promise<{ readonly messageBytesMax: number; readonly isClustered: boolean | undefined }> {
    await this.#present();
    // While a connection is lost, nothing is known of the server.
    const { info } = this.#nats;
    const { max_payload = Number.POSITIVE_INFINITY, cluster } = info ?? {};
    return { messageBytesMax: max_payload - messageHeadBytes, isClustered: info && cluster !== undefined };
  }

  /** A bucket for reading and writing. Reads go to the leader of the bucket, so that they see every write before. */
  async bucket(name: string): Promise<KV> {
    const client = this.#library.jetStream.jetstream(this.#nats, { timeout: natsAttemptMs });
    return await new this.#library.kv.Kvm(client).open(name, { allow_direct: false });
  }

  async manager(): Promise<JetStreamManager> {
    const timeout = natsAttemptMs;
    return await this.#library.jetStream.jetstreamManager(this.#nats, { timeout, checkAPI: false });
  }

  /** For streams: publishes to them, and reads them. */
  async jetStream(): Promise<JetStreams> {
    const client = this.#library.jetStream.jetstream(this.#nats, { timeout: natsAttemptMs });
    return { client, manager: await this.manager(), headers: this.#library.transport.headers };
  }

  /**
   * Publishes a text, if the last sequence of its whole stream is still this. It may be sent several times, and counts once. Servers
   * of 2.9 do not keep their word for the last sequence of one subject: with replicas, several win.
   * @param last 0: nothing was published @throws CONFLICT, or as `ask`
   */
  async compareAndSet(what: string, { stream, subject, last }: Place, text: string): Promise<Written> {
    const client = this.#library.jetStream.jetstream(this.#nats, { timeout: natsAttemptMs });
    const manager = await this.manager();
    const id = crypto.randomUUID();
    const options = { msgID: id, expect: { lastSequence: last } };
    let refused: unknown;
    const sent = this.ask(what, () => client.publish(subject, text, options)).catch((error: FlexemrError) => {
      if (error.code !== 'CONFLICT') throw error;
      refused = error;
    });
    const seq = (await sent)?.seq ?? 0;
    // What is there decides: an earlier attempt may have been written, and the server may say so in several ways.
    const query = seq > 0 ? { seq } : { last_by_subj: subject };
    const stored = await this.ask(what, () => manager.streams.getMessage(stream, query));
    if (stored?.header.get('Nats-Msg-Id') === id) return { revision: stored.seq, created: stored.time };
    throw (
      refused ??
      new FlexemrError('CONFLICT', `${this.#address.shown}: ${what}: ${otherWriter}`, { field: 'cluster' })
    );
  }

  /**
   * Asks the server, again and again if it does not answer. @param what is done, for messages: "cannot read the cluster"
   * @throws UNAVAILABLE, within about twice natsRequestMs; CONFLICT, UNAUTHORIZED
   */
  async ask<T>(what: string, work: () => Promise<T>): Promise<T> {
    const end = performance.now() + natsRequestMs;
    for (;;)
      try {
        await this.#present();
        return await work();
      } catch (cause) {
        if (cause instanceof FlexemrError) throw cause;
        const left = end - performance.now() - this.#patience(cause as Error);
        if (left <= 0) throw this.#failure(what, cause as Error);
        await new Promise((resolve) => setTimeout(resolve, natsAttemptMs / 10));
      }
  }

  /** How long before the end of the time for a question it is not asked again. */
  #patience(cause: Error): number {
    if (cause instanceof this.#library.transport.TimeoutError) return 0;
    return isUnanswered(cause) ? natsRequestMs - natsAttemptMs : natsRequestMs;
  }

  #failure(what: string, cause: Error): FlexemrError {
    return failure(this.#library, this.#address.shown, what, cause);
  }

  /** What is sent while the connection is lost would be sent late or never. */
  async #present(): Promise<void> {
    if (this.#closed) throw new FlexemrError('RELEASED', 'the source of routing is closed');
    if (this.#away === undefined) return;
    const late = Promise.withResolvers<never>();
    const lost = new Error('the connection is lost');
    const timer = setTimeout(() => late.reject(this.#failure('cannot ask', lost)), natsRequestMs);
    await Promise.race([this.#away.promise, late.promise]).finally(() => clearTimeout(timer));
  }

  /**
   * Calls `onMessage` when somebody publishes to the subject, and `onBack` after each reconnection. Costs the server nothing that
   * could stay behind. @param onRefused is called if the server does not allow it
   */
  listen(
    subject: string,
    onMessage: (message: Msg) => void,
    onBack: () => void,
    onRefused: (error: Error) => void,
  ): () => void {
    const subscription = this.#nats.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) onMessage(message);
        else onRefused(this.#failure('cannot watch the cluster', error));
      },
    });
    const forget = this.onBack(onBack);
    return () => {
      forget();
      if (!this.#nats.isClosed()) subscription.unsubscribe();
    };
  }

  /** Calls a function after each reconnection. @returns stops that */
  onBack(call: () => void): () => void {
    this.#onBack.add(call);
    return () => this.#onBack.delete(call);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#away?.resolve();
    await this.#nats.close();
  }
}

function connectionOptions(
  { servers, tls, user, password, token }: NatsAddress,
  { creds, ca, cert, key }: NatsCredentials,
  { transport }: NatsLibrary,
): NodeConnectionOptions {
  const secured = tls || ca !== undefined || cert !== undefined;
  const pem = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
  // The client passes all of it to TLS.
  const identity = { checkServerIdentity: serverIdentity(servers) };
  const bytes = creds === undefined ? undefined : new TextEncoder().encode(creds);
  return {
    servers: [...servers],
    name: 'flexemr',
    timeout: natsRequestMs,
    // A stack trace of each question costs more than the question. Our errors say what was asked.
    noAsyncTraces: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: natsReconnectMs / 2,
    reconnectJitter: natsReconnectMs / 2,
    reconnectJitterTLS: natsReconnectMs / 2,
    pingInterval: natsPingMs,
    maxPingOut: 2,
    // Whoever administers the server may repair its accounts.
    ignoreAuthErrorAbort: true,
    ...(user !== undefined && { user }),
    ...(password !== undefined && { pass: password }),
    ...(token !== undefined && { token }),
    ...(bytes && { authenticator: transport.credsAuthenticator(bytes) }),
    ...(secured && { tls: { ...pem, ...identity } }),
  };
}

/** What went wrong, for our callers. */
function failure(
  { transport, jetStream }: NatsLibrary,
  shown: string,
  what: string,
  cause: Error,
): FlexemrError {
  const { AuthorizationError, PermissionViolationError, UserAuthenticationExpiredError } = transport;
  const refused = [AuthorizationError, PermissionViolationError, UserAuthenticationExpiredError];
  const deepest = cause.cause instanceof Error ? cause.cause : cause;
  const made = (code: ErrorCode, why: string): FlexemrError =>
    new FlexemrError(code, `${shown}: ${what}: ${why}`, { field: 'routing', value: shown, cause });
  if (refused.some((kind) => cause instanceof kind || deepest instanceof kind))
    return made(
      'UNAUTHORIZED',
      `${deepest.message}. Check the login (--nats-creds, or USER:PASSWORD@ in the address) and its permissions.`,
    );
  if (cause instanceof jetStream.JetStreamApiError) {
    if (wrongLastSequence.includes(cause.code)) return made('CONFLICT', otherWriter);
    if (notEnabled.includes(cause.code)) return made('UNAVAILABLE', noJetStream);
    if (isFull.includes(cause.code)) return made('LIMIT_EXCEEDED', `${cause.message}: ${noRoom}`);
    return made('UNAVAILABLE', cause.message);
  }
  if (isUnanswered(cause)) return made('UNAVAILABLE', noJetStream);
  if (cause instanceof transport.TimeoutError || deepest instanceof transport.TimeoutError)
    return made(
      'UNAVAILABLE',
      'the server does not answer in time. If this was a change, it may still happen: read again.',
    );
  return made('UNAVAILABLE', `${deepest.message}. Check the address and its server.`);
}

const noRoom = 'the stream is full. If it is that of row updates, flexemr snapshot --use --forget makes room';
const noJetStream =
  'nobody answers for the bucket. Start nats-server with JetStream (-js), and see whether the bucket exists.';
