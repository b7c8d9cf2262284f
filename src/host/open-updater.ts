import * as v from 'valibot';
import { checkFields, options as optionsOf } from '../check.ts';
import { type NatsCredentials, natsCredentials } from '../nats/credentials.ts';
import { type ClientSecurity, clientSecurity } from '../transport/security.ts';
import { ClusterUpdater } from './cluster-updater.ts';
import { ClusteredUpdates, updatedCluster } from './clustered-updates.ts';
import { openTransport } from './open-transport.ts';

export interface OpenUpdaterOptions {
  /** The cluster: nats://HOST:PORT/BUCKET. */
  readonly routing: string;
  /** Who asks NATS. */
  readonly nats?: NatsCredentials | undefined;
  /** For questions to the memory nodes. */
  readonly security?: ClientSecurity | undefined;
}

const updaterOptions = optionsOf({
  routing: updatedCluster,
  nats: v.optional(natsCredentials),
  security: v.optional(clientSecurity),
});

/**
 * Opens an updater, which writes new rows while memory nodes serve.
 * @throws INVALID_OPTION, UNAVAILABLE, UNAUTHORIZED, MISSING_DEPENDENCY
 */
export async function openUpdater(options: OpenUpdaterOptions): Promise<ClusterUpdater> {
  const { routing, nats = {}, security = {} } = checkFields(updaterOptions, options);
  const updates = await ClusteredUpdates.open(routing, nats);
  try {
    return new ClusterUpdater(
      updates.store,
      updates.log,
      await openTransport({ name: 'http', security, device: undefined }),
    );
  } catch (error) {
    await updates[Symbol.asyncDispose]();
    throw error;
  }
}
