import { leaseBytesMax } from '../cluster-limits.ts';
import { FlexemrError } from '../errors.ts';
import type { LeaseKind } from '../plan/cluster-leases.ts';
import type { KeptLease } from '../plan/known-leases.ts';
import type { LeaseEntry } from '../plan/lease.ts';
import type { NatsAddress } from './address.ts';
import { ensureLeaseBucket, leaseBucket, streamOf } from './bucket.ts';
import { type Connection, isAbsent } from './connection.ts';
import type { KvEntry } from './library.ts';

/** The leases of a cluster, in a bucket of their own, which forgets them. */
export class Leases {
  readonly #connection: Connection;
  readonly #address: NatsAddress;

  constructor(connection: Connection, address: NatsAddress) {
    this.#connection = connection;
    this.#address = address;
  }

  /** All that are not gone. @throws UNAVAILABLE, UNAUTHORIZED */
  async read(): Promise<KeptLease[]> {
    const bucket = leaseBucket(this.#address);
    const what = 'cannot read the leases';
    const manager = await this.#connection.manager();
    const info = await this.#connection.ask(what, () =>
      manager.streams.info(streamOf(bucket), { subjects_filter: '>' }).catch((error: Error) => {
        if (isAbsent(error)) return undefined;
        throw error;
      }),
    );
    const prefix = `$KV.${bucket}.`;
    const keys = Object.keys(info?.state.subjects ?? {}).map((subject) => subject.slice(prefix.length));
    const kv = await this.#connection.bucket(bucket);
    const found = await this.#connection.ask(what, () => Promise.all(keys.map((key) => kv.get(key))));
    return found.filter((entry) => entry?.operation === 'PUT').map((entry) => keptLease(entry as KvEntry));
  }

  /** Where one lease is written. The bucket is made anew if it has gone. */
  entry(kind: LeaseKind, id: string): LeaseEntry {
    const key = `${kind}.${/^[-\w]+$/.test(id) ? id : `=${encoded(id)}`}`;
    const kv = this.#connection.bucket(leaseBucket(this.#address));
    const what = 'cannot write a lease';
    let isThere = false;
    return {
      put: async (value) => {
        const text = JSON.stringify(value);
        if (text.length > leaseBytesMax / 2) {
          const message = `a lease of ${text.length} characters is too long`;
          throw new FlexemrError('LIMIT_EXCEEDED', message, { field: 'lease', value: id });
        }
        if (!isThere) await ensureLeaseBucket(this.#connection, this.#address);
        isThere = true;
        await this.#connection
          .ask(what, async () => await (await kv).put(key, text))
          .catch((error: Error) => {
            isThere = false;
            throw error;
          });
      },
      delete: async () => await this.#connection.ask(what, async () => await (await kv).purge(key)),
    };
  }
}

function keptLease(entry: KvEntry): KeptLease {
  const dot = entry.key.indexOf('.');
  const kind = entry.key.slice(0, dot) as LeaseKind;
  return { kind, id: entry.key.slice(dot + 1), text: entry.string(), renewedAt: entry.created.getTime() };
}

/** Any text as a part of a key. */
function encoded(id: string): string {
  return Array.from(new TextEncoder().encode(id), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
