import { FlexemrError } from '../errors.ts';
import { type Cluster, clusterJson, parseCluster } from '../plan/cluster.ts';
import type { ClusterLeases, HeldLease } from '../plan/cluster-leases.ts';
import type { ClusterStore, FollowingRanker, ReadCluster } from '../plan/cluster-store.ts';
import { type NatsAddress, parseNatsAddress } from './address.ts';
import { ensureClusterBucket, ensureLeaseBucket, streamOf } from './bucket.ts';
import { ClusterWatch, type ReadText } from './cluster-watch.ts';
import { Connection, isAbsent, type Written } from './connection.ts';
import type { NatsCredentials } from './credentials.ts';
import { Lease } from './lease.ts';
import { Leases } from './leases.ts';
import type { KV, KvEntry } from './library.ts';
import { ensureUpdateStream } from './update-stream.ts';

const key = 'cluster';
const reading = 'cannot read the cluster';

/** A cluster in a bucket of NATS JetStream, and the leases of those who use it. */
export class NatsCluster implements ClusterStore {
  readonly #address: NatsAddress;
  readonly #connection: Connection;
  readonly #bucket: KV;
  readonly #leases: Leases;
  readonly #open = new Set<{ close(): unknown }>();
  /** The text that was read last, with which a watch compares. */
  #last: string | undefined;

  /** @throws INVALID_OPTION, UNAVAILABLE, UNAUTHORIZED, MISSING_DEPENDENCY */
  static async open(where: string, credentials: NatsCredentials = {}): Promise<NatsCluster> {
    const address = parseNatsAddress(where);
    const connection = await Connection.open(address, credentials);
    return new NatsCluster(address, connection, await connection.bucket(address.bucket));
  }

  private constructor(address: NatsAddress, connection: Connection, bucket: KV) {
    this.#address = address;
    this.#connection = connection;
    this.#bucket = bucket;
    this.#leases = new Leases(connection, address);
  }

  async read(): Promise<ReadCluster> {
    const { text, revision } = await this.#readText();
    const cluster = parseCluster(text, this.#address.shown);
    this.#last = text;
    return { cluster, revision };
  }

  async #readText(): Promise<ReadText> {
    const entry = await this.#entry();
    const revision = revisionOf(entry);
    if (entry === undefined || revision === undefined) {
      const message = `${this.#address.shown}: there is no cluster: the bucket is empty, or not there. Write one with flexemr plan --publish.`;
      throw new FlexemrError('UNAVAILABLE', message, { field: 'routing', value: this.#address.shown });
    }
    return { text: entry.string(), revision };
  }

  /** The last one, or the mark of one that was deleted. Undefined: there is none, or not even the bucket. */
  async #entry(): Promise<KvEntry | undefined> {
    return (await this.#connection.ask(reading, () => this.#bucket.get(key).catch(absent))) ?? undefined;
  }

  /** Differs whenever the bucket has changed, and its last sequence. */
  async #state(): Promise<{ readonly text: string; readonly last: number }> {
    const manager = await this.#connection.manager();
    const name = streamOf(this.#address.bucket);
    const found = await this.#connection.ask(reading, () => manager.streams.info(name).catch(absent));
    const last = found?.state.last_seq ?? 0;
    return { text: `${found?.created} ${last}`, last };
  }

  watch(onChange: (cluster: Cluster) => void, onError: (error: Error) => void): () => void {
    const watched = {
      read: () => this.#readText(),
      state: async () => (await this.#state()).text,
      parse: (text: string) => parseCluster(text, this.#address.shown),
    };
    const watch = new ClusterWatch(watched, this.#last, onChange, onError);
    const unlisten = this.#connection.listen(
      `$KV.${this.#address.bucket}.${key}`,
      () => watch.ring(),
      () => watch.ring(),
      onError,
    );
    const opened = {
      close: () => {
        watch.close();
        unlisten();
        this.#open.delete(opened);
      },
    };
    this.#open.add(opened);
    return opened.close;
  }

  async replace(cluster: Cluster, revision: string | undefined): Promise<string> {
    const text = clusterJson(cluster);
    await this.#checkSize(new TextEncoder().encode(text).length);
    if (revision === undefined) {
      await ensureClusterBucket(this.#connection, this.#address);
      // Here, because who holds a lease may not be allowed to create a bucket.
      await ensureLeaseBucket(this.#connection, this.#address);
      await ensureUpdateStream(this.#connection, this.#address);
    }
    // First the sequence: whatever is written after this moment changes it.
    const { last } = await this.#state();
    const found = revisionOf(await this.#entry());
    if (found !== revision) throw this.#conflict(found);
    const { bucket } = this.#address;
    const place = { stream: streamOf(bucket), subject: `$KV.${bucket}.${key}`, last };
    return revisionText(await this.#connection.compareAndSet('cannot write the cluster', place, text));
  }

  /** The server would close the connection. */
  async #checkSize(bytes: number): Promise<void> {
    // The server counts the subject and headers too.
    const most = (await this.#connection.server()).payloadBytesMax - 1_024;
    if (bytes <= most) return;
    const message = `${this.#address.shown}: the cluster has ${bytes} bytes, and the server takes messages of ${most}. Raise max_payload in the configuration of nats-server, or cut tables into fewer shards.`;
    throw new FlexemrError('LIMIT_EXCEEDED', message, { field: 'cluster', value: bytes });
  }

  #conflict(found: string | undefined): FlexemrError {
    const why = found === undefined ? 'there is no cluster' : `the cluster has revision ${found}`;
    const message = `${this.#address.shown}: ${why}: somebody else has changed it. Read it again, and decide again.`;
    return new FlexemrError('CONFLICT', message, { field: 'cluster' });
  }

  async rankers(): Promise<readonly FollowingRanker[]> {
    return (await this.#leases.read()).rankers;
  }

  readonly leases: ClusterLeases = {
    read: () => this.#leases.read(),
    holdNode: (value, onError) => this.#hold('node', value().node, value, onError),
    holdRanker: (value, onError) => this.#hold('ranker', crypto.randomUUID(), value, onError),
  };

  #hold(
    kind: 'node' | 'ranker',
    id: string,
    value: () => object | undefined,
    onError: (error: Error) => void,
  ): HeldLease {
    const lease: Lease = new Lease(this.#leases.entry(kind, id), value, onError, () =>
      this.#open.delete(lease),
    );
    this.#open.add(lease);
    return lease;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open].map((each) => each.close()));
    await this.#connection.close();
  }
}

/** @returns nothing if the bucket is not there */
function absent(error: Error): undefined {
  if (!isAbsent(error)) throw error;
}

/** Sequences begin again when a bucket is made anew, and after a power cut. */
function revisionOf(entry: KvEntry | undefined): string | undefined {
  return entry?.operation === 'PUT' ? revisionText(entry) : undefined;
}

function revisionText({ revision, created }: Written): string {
  return `${revision}@${created.toISOString()}`;
}
