import { leaseBytesMax, leaseMs, natsHistory } from '../cluster-limits.ts';
import { FlexemrError } from '../errors.ts';
import type { NatsAddress } from './address.ts';
import type { Connection } from './connection.ts';
import { ensureStream, type StreamConfig } from './ensure-stream.ts';

const nanosecondsPerMs = 1_000_000;

/** The bucket of a cluster: the last versions of one key, on disk. */
export async function ensureClusterBucket(connection: Connection, address: NatsAddress): Promise<void> {
  await ensure(connection, address, address.bucket, { max_msgs_per_subject: natsHistory });
}

/** The bucket of its leases, which end by themselves. */
export async function ensureLeaseBucket(connection: Connection, address: NatsAddress): Promise<void> {
  const max_age = leaseMs * nanosecondsPerMs;
  await ensure(connection, address, leaseBucket(address), { max_age, max_msg_size: leaseBytesMax });
}

export function leaseBucket({ bucket }: NatsAddress): string {
  return `${bucket}-leases`;
}

export function streamOf(bucket: string): string {
  return `KV_${bucket}`;
}

/** Creates a bucket, or checks one that is there. @throws INVALID_OPTION, UNAVAILABLE, UNAUTHORIZED */
async function ensure(
  connection: Connection,
  address: NatsAddress,
  bucket: string,
  own: Partial<StreamConfig>,
): Promise<void> {
  const found = await ensureStream(connection, address, `bucket ${bucket}`, {
    ...common,
    max_msgs_per_subject: 1,
    ...own,
    name: streamOf(bucket),
    subjects: [`$KV.${bucket}.>`],
  });
  if (found !== undefined) check(bucket, address.shown, found, own);
}

/** What every client of NATS expects of a bucket. Reads go to the leader, because other servers may be behind. */
const common = {
  retention: 'limits',
  discard: 'new',
  storage: 'file',
  allow_rollup_hdrs: true,
  deny_delete: true,
  allow_direct: false,
} as const;

/** A bucket that forgets would lose the cluster, and one that does not forget would keep leases of the dead. */
function check(
  bucket: string,
  shown: string,
  found: Partial<StreamConfig>,
  own: Partial<StreamConfig>,
): void {
  const refuse = (problem: string): never => {
    const message = `${shown}: the bucket ${bucket} ${problem}. Delete it, and let flexemr plan --publish create it, or use another.`;
    throw new FlexemrError('INVALID_OPTION', message, { field: 'routing', value: shown });
  };
  const age = (found.max_age ?? 0) / nanosecondsPerMs;
  const wanted = (own.max_age ?? 0) / nanosecondsPerMs;
  if (age !== wanted) refuse(`forgets after ${age} ms (0: never), not after ${wanted} ms`);
  if (own.max_age === undefined && found.storage !== 'file')
    refuse('is in memory, so it is lost when the server ends');
}
