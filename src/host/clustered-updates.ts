import { FlexemrError } from '../errors.ts';
import { isNatsAddress } from '../nats/address.ts';
import type { NatsCredentials } from '../nats/credentials.ts';
import { UpdateStream } from '../nats/update-stream.ts';
import type { ClusterStore } from '../plan/cluster-store.ts';
import { openClusterSource } from './cluster-source.ts';

/** A cluster in NATS, and the log of its row updates. */
export class ClusteredUpdates implements AsyncDisposable {
  readonly store: ClusterStore;
  readonly log: UpdateStream;

  /** @throws INVALID_OPTION, UNAVAILABLE, UNAUTHORIZED, MISSING_DEPENDENCY */
  static async open(routing: string, credentials?: NatsCredentials): Promise<ClusteredUpdates> {
    if (!isNatsAddress(routing)) {
      const message = `routing: expected a cluster in NATS, nats://HOST:PORT/BUCKET: row updates are kept there`;
      throw new FlexemrError('INVALID_OPTION', message, { field: 'routing', value: routing });
    }
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
