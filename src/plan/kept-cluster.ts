import { FlexemrError } from '../errors.ts';
import { type Cluster, clusterJson, parseCluster } from './cluster.ts';
import type { ClusterLeases, HeldLease, LeaseKind } from './cluster-leases.ts';
import type { ClusterStore, FollowingRanker, ReadCluster } from './cluster-store.ts';
import { ClusterWatch, type ReadText } from './cluster-watch.ts';
import { type KeptLease, knownLeases } from './known-leases.ts';
import { Lease, type LeaseEntry } from './lease.ts';

/** A bucket for the text of a cluster, and one for the leases of those who use it. Any call may fail: it may be away. */
export interface ClusterBucket {
  /** Its address, for messages. */
  readonly shown: string;
  /** Most bytes of a text. */
  bytesMax(): Promise<number>;
  /** The text that is there, after every write before. Undefined: there is none, or not even the bucket. */
  read(): Promise<ReadText | undefined>;
  /** Costs less than `read`. `text` differs whenever somebody has written, and `last` is the number of the last write. */
  state(): Promise<{ readonly text: string; readonly last: number }>;
  /**
   * Writes a text if the number of the last write is still this. @returns its revision, which no other text has or had
   * @throws CONFLICT, UNAVAILABLE
   */
  compareAndSet(text: string, last: number): Promise<string>;
  /** Creates what is not there yet. */
  ensure(): Promise<void>;
  /** Calls `onRing` when there may be something new. It may be called too often, and late, and never. */
  listen(onRing: () => void, onRefused: (error: Error) => void): () => void;
  /** All leases that are not gone. */
  leases(): Promise<readonly KeptLease[]>;
  /** Where one lease is written. */
  lease(kind: LeaseKind, id: string): LeaseEntry;
  close(): Promise<void>;
}

/** A cluster in a bucket, and the leases of those who use it. */
export class KeptCluster implements ClusterStore {
  readonly #bucket: ClusterBucket;
  readonly #open = new Set<{ close(): unknown }>();
  /** The text that was read last, with which a watch compares. */
  #last: string | undefined;

  constructor(bucket: ClusterBucket) {
    this.#bucket = bucket;
  }

  async read(): Promise<ReadCluster> {
    const { text, revision } = await this.#readText();
    const cluster = parseCluster(text, this.#bucket.shown);
    this.#last = text;
    return { cluster, revision };
  }

  async #readText(): Promise<ReadText> {
    const found = await this.#bucket.read();
    if (found !== undefined) return found;
    const { shown } = this.#bucket;
    const message = `${shown}: there is no cluster: the bucket is empty, or not there. Write one with flexemr plan --publish.`;
    throw new FlexemrError('UNAVAILABLE', message, { field: 'routing', value: shown });
  }

  watch(onChange: (cluster: Cluster) => void, onError: (error: Error) => void): () => void {
    const watched = {
      read: () => this.#readText(),
      state: async () => (await this.#bucket.state()).text,
      parse: (text: string) => parseCluster(text, this.#bucket.shown),
    };
    const watch = new ClusterWatch(watched, this.#last, onChange, onError);
    const unlisten = this.#bucket.listen(() => watch.ring(), onError);
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
    // Here, because who holds a lease may not be allowed to create a bucket.
    if (revision === undefined) await this.#bucket.ensure();
    // First the number: whatever is written after this moment changes it.
    const { last } = await this.#bucket.state();
    const found = (await this.#bucket.read())?.revision;
    if (found !== revision) throw this.#conflict(found);
    return await this.#bucket.compareAndSet(text, last);
  }

  /** The server would close the connection. */
  async #checkSize(bytes: number): Promise<void> {
    const most = await this.#bucket.bytesMax();
    if (bytes <= most) return;
    const message = `${this.#bucket.shown}: the cluster has ${bytes} bytes, and the server takes messages of ${most}. Raise max_payload in the configuration of nats-server, or cut tables into fewer shards.`;
    throw new FlexemrError('LIMIT_EXCEEDED', message, { field: 'cluster', value: bytes });
  }

  #conflict(found: string | undefined): FlexemrError {
    const why = found === undefined ? 'there is no cluster' : `the cluster has revision ${found}`;
    const message = `${this.#bucket.shown}: ${why}: somebody else has changed it. Read it again, and decide again.`;
    return new FlexemrError('CONFLICT', message, { field: 'cluster' });
  }

  async rankers(): Promise<readonly FollowingRanker[]> {
    return (await this.leases.read()).rankers;
  }

  readonly leases: ClusterLeases = {
    read: async () => knownLeases(await this.#bucket.leases()),
    holdNode: (value, onError) => this.#hold('node', value().node, value, onError),
    holdRanker: (value, onError) => this.#hold('ranker', randomId(), value, onError),
  };

  #hold(
    kind: LeaseKind,
    id: string,
    value: () => object | undefined,
    onError: (error: Error) => void,
  ): HeldLease {
    const lease: Lease = new Lease(this.#bucket.lease(kind, id), value, onError, () =>
      this.#open.delete(lease),
    );
    this.#open.add(lease);
    return lease;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open].map((each) => each.close()));
    await this.#bucket.close();
  }
}

/** 32 hexadecimal digits that nobody else has. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
