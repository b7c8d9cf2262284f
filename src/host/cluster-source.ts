import { FlexemrError } from '../errors.ts';
import { isNatsAddress } from '../nats/address.ts';
import type { NatsCredentials } from '../nats/credentials.ts';
import { NatsCluster } from '../nats/nats-cluster.ts';
import type { ClusterStore } from '../plan/cluster-store.ts';

/**
 * Opens the source of a cluster: nats://HOST:PORT/BUCKET.
 * @throws INVALID_OPTION, UNAVAILABLE, UNAUTHORIZED, MISSING_DEPENDENCY
 */
export async function openClusterSource(
  where: string,
  credentials: NatsCredentials = {},
): Promise<ClusterStore> {
  if (isNatsAddress(where)) return await NatsCluster.open(where, credentials);
  const message = `routing: expected nats://HOST:PORT/BUCKET, not ${where}`;
  throw new FlexemrError('INVALID_OPTION', message, { field: 'routing', value: where });
}
