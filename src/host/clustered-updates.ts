import * as v from 'valibot';
import { check } from '../check.ts';
import { isNatsAddress } from '../nats/address.ts';
import type { NatsCredentials } from '../nats/credentials.ts';
import { UpdateStream } from '../nats/update-stream.ts';
import type { ClusterStore } from '../plan/cluster-store.ts';
import { openClusterSource } from './cluster-source.ts';

/** Where a cluster is whose rows change. */
export const updatedCluster: v.GenericSchema<string> = v.custom<string>(
  (value) => typeof value === 'string' && isNatsAddress(value),
  'a cluster in NATS, nats://HOST:PORT/BUCKET: row updates are kept there',
);

/** A cluster in NATS, and the log of its row updates. */
export class ClusteredUpdates implements AsyncDisposable {
  readonly store: ClusterStore;
  readonly log: UpdateStream;

  /** @throws INVALID_OPTION, UNAVAILABLE, UNAUTHORIZED, MISSING_DEPENDENCY */
  static async open(routing: string, credentials?: NatsCredentials): Promise<ClusteredUpdates> {
    check(updatedCluster, routing, 'routing');
    const store = await openClusterSource(routing, credentials);
    try {
      return new ClusteredUpdates(store, await UpdateStream.open(routing, credentials, { create: true }));
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  private constructor(store: ClusterStore, log: UpdateStream) {
    this.store = store;
    this.log = log;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.log.close(), this.store.close()]);
  }
}
