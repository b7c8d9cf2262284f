import * as v from 'valibot';
import { checkFields, options as optionsOf } from '../check.ts';
import { isNatsAddress } from '../nats/address.ts';
import { type NatsCredentials, natsCredentials } from '../nats/credentials.ts';
import { UpdateStream } from '../nats/update-stream.ts';
import { type ClientSecurity, clientSecurity } from '../transport/security.ts';
import { openClusterSource } from './cluster-source.ts';
import { ClusterUpdater } from './cluster-updater.ts';
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
  routing: v.custom<string>(
    (value) => typeof value === 'string' && isNatsAddress(value),
    'a cluster in NATS, nats://HOST:PORT/BUCKET: row updates are kept there',
  ),
  nats: v.optional(natsCredentials),
  security: v.optional(clientSecurity),
});

/**
 * Opens an updater, which writes new rows while memory nodes serve.
 * @throws INVALID_OPTION, UNAVAILABLE, UNAUTHORIZED, MISSING_DEPENDENCY
 */
export async function openUpdater(options: OpenUpdaterOptions): Promise<ClusterUpdater> {
  const { routing, nats = {}, security = {} } = checkFields(updaterOptions, options);
  const store = await openClusterSource(routing, nats);
  try {
    const log = await UpdateStream.open(routing, nats, { create: true });
    return new ClusterUpdater(store, log, await openTransport({ name: 'http', security, device: undefined }));
  } catch (error) {
    await store.close();
    throw error;
  }
}
