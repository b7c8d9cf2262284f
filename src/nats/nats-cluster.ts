import type { LeaseKind } from '../plan/cluster-leases.ts';
import type { ReadText } from '../plan/cluster-watch.ts';
import { type ClusterBucket, KeptCluster } from '../plan/kept-cluster.ts';
import type { KeptLease } from '../plan/known-leases.ts';
import type { LeaseEntry } from '../plan/lease.ts';
import { type NatsAddress, parseNatsAddress } from './address.ts';
import { ensureClusterBucket, ensureLeaseBucket, streamOf } from './bucket.ts';
import { Connection, isAbsent, type Written } from './connection.ts';
import type { NatsCredentials } from './credentials.ts';
import { Leases } from './leases.ts';
import type { KV, KvEntry } from './library.ts';
import { ensureUpdateStream } from './update-stream.ts';

const key = 'cluster';
const reading = 'cannot read the cluster';

/** A cluster in a bucket of NATS JetStream, and the leases of those who use it. */
export class NatsCluster extends KeptCluster {
  /** @throws INVALID_OPTION, UNAVAILABLE, UNAUTHORIZED, MISSING_DEPENDENCY */
  static async open(where: string, credentials: NatsCredentials = {}): Promise<NatsCluster> {
    const address = parseNatsAddress(where);
    const connection = await Connection.open(address, credentials);
    return new NatsCluster(new NatsBucket(address, connection, await connection.bucket(address.bucket)));
  }
}

class NatsBucket implements ClusterBucket {
  readonly #address: NatsAddress;
  readonly #connection: Connection;
  readonly #bucket: KV;
  readonly #leases: Leases;

  constructor(address: NatsAddress, connection: Connection, bucket: KV) {
    this.#address = address;
    this.#connection = connection;
    this.#bucket = bucket;
    this.#leases = new Leases(connection, address);
  }

  get shown(): string {
    return this.#address.shown;
  }

  async bytesMax(): Promise<number> {
    return (await this.#connection.server()).messageBytesMax;
  }

  async read(): Promise<ReadText | undefined> {
    const entry = await this.#connection.ask(reading, () => this.#bucket.get(key).catch(absent));
    // A mark of one that was deleted is none.
    if (entry?.operation !== 'PUT') return undefined;
    return { text: entry.string(), revision: revisionText(entry) };
  }

  async state(): Promise<{ readonly text: string; readonly last: number }> {
    const manager = await this.#connection.manager();
    const name = streamOf(this.#address.bucket);
    const found = await this.#connection.ask(reading, () => manager.streams.info(name).catch(absent));
    const last = found?.state.last_seq ?? 0;
    return { text: `${found?.created} ${last}`, last };
  }

  async compareAndSet(text: string, last: number): Promise<string> {
    const { bucket } = this.#address;
    const place = { stream: streamOf(bucket), subject: `$KV.${bucket}.${key}`, last };
    return revisionText(await this.#connection.compareAndSet('cannot write the cluster', place, text));
  }

  async ensure(): Promise<void> {
    await ensureClusterBucket(this.#connection, this.#address);
    await ensureLeaseBucket(this.#connection, this.#address);
    await ensureUpdateStream(this.#connection, this.#address);
  }

  listen(onRing: () => void, onRefused: (error: Error) => void): () => void {
    return this.#connection.listen(`$KV.${this.#address.bucket}.${key}`, onRing, onRing, onRefused);
  }

  leases(): Promise<KeptLease[]> {
    return this.#leases.read();
  }

  lease(kind: LeaseKind, id: string): LeaseEntry {
    return this.#leases.entry(kind, id);
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }
}

/** @returns nothing if the bucket is not there */
function absent(error: Error): undefined {
  if (!isAbsent(error)) throw error;
}

/** Sequences begin again when a bucket is made anew, and after a power cut. */
function revisionText({ revision, created }: Written | KvEntry): string {
  return `${revision}@${created.toISOString()}`;
}
