import * as v from 'valibot';
import type { Schema } from '../check.ts';
import { leaseBytesMax } from '../cluster-limits.ts';
import { FlexemrError } from '../errors.ts';
import { type KnownLeases, type NodeLease, type RankerLease, releaseStates } from '../plan/cluster-leases.ts';
import type { NatsAddress } from './address.ts';
import { ensureLeaseBucket, leaseBucket, streamOf } from './bucket.ts';
import { type Connection, isAbsent } from './connection.ts';
import type { LeaseEntry } from './lease.ts';
import type { KvEntry } from './library.ts';

const plan = v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/));
const whole = v.pipe(v.number(), v.minValue(0));

// Later versions may say more.
const nodeLease: Schema<NodeLease> = v.object({
  node: v.string(),
  url: v.string(),
  ports: v.array(v.number()),
  zone: v.optional(v.string()),
  room: v.object({ usedBytes: whole, totalBytes: v.optional(whole) }),
  releases: v.array(v.object({ plan, state: v.picklist(releaseStates) })),
  version: v.string(),
});

const rankerLease: Schema<RankerLease> = v.object({
  plan,
  since: v.string(),
  version: v.string(),
  host: v.string(),
});

/** A lease that cannot be read. Whoever waits for all rankers waits for it. */
const unknownPlan = 'unknown';

/** The leases of a cluster, in a bucket of their own, which forgets them. */
export class Leases {
  readonly #connection: Connection;
  readonly #address: NatsAddress;

  constructor(connection: Connection, address: NatsAddress) {
    this.#connection = connection;
    this.#address = address;
  }

  /** All that are not gone. @throws UNAVAILABLE, UNAUTHORIZED */
  async read(): Promise<KnownLeases> {
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
    const held = found.filter((entry) => entry?.operation === 'PUT').map((entry) => entry as KvEntry);
    const ofKind = (kind: string): KvEntry[] => held.filter(({ key }) => key.startsWith(`${kind}.`));
    return {
      nodes: ofKind('node').flatMap((entry) => {
        const known = v.safeParse(nodeLease, jsonOf(entry));
        return known.success ? [{ ...known.output, ...heldOf(entry) }] : [];
      }),
      rankers: ofKind('ranker').map((entry) => {
        const known = v.safeParse(rankerLease, jsonOf(entry));
        const unreadable = { plan: unknownPlan, since: '', version: '', host: '' };
        return { ...(known.success ? known.output : unreadable), ...heldOf(entry) };
      }),
    };
  }

  /** Where one lease is written. The bucket is made anew if it has gone. */
  entry(kind: 'node' | 'ranker', id: string): LeaseEntry {
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

function heldOf(entry: KvEntry): { id: string; renewedAt: number } {
  return { id: entry.key.slice(entry.key.indexOf('.') + 1), renewedAt: entry.created.getTime() };
}

function jsonOf(entry: KvEntry): unknown {
  try {
    return entry.json();
  } catch {
    return undefined;
  }
}

/** Any text as a part of a key. */
function encoded(id: string): string {
  return Array.from(new TextEncoder().encode(id), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
