import { clusterAddressCharsMax, natsReplicasMax } from '../cluster-limits.ts';
import { FlexemrError } from '../errors.ts';

/** Where a cluster is in NATS: `nats://HOST:PORT/BUCKET`, with several servers `nats://HOST:PORT,HOST:PORT/BUCKET`. */
export interface NatsAddress {
  /** `host:port`. */
  readonly servers: readonly string[];
  readonly tls: boolean;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly token?: string | undefined;
  readonly bucket: string;
  /** Of a bucket that is created. */
  readonly replicas?: number | undefined;
  /** The address without a password, for messages. */
  readonly shown: string;
}

const form = /^(nats|tls):\/\/(?:([^@/]*)@)?([^@/?#]+)\/([-\w]+)(?:\?replicas=(\d))?$/;
const hostForm = /^(?:[-\w.]+|\[[\da-fA-F:.]+\])(?::\d{1,5})?$/;

/** Whether a place of a cluster is in NATS. */
export function isNatsAddress(where: string): boolean {
  return /^(nats|tls):/.test(where);
}

/** @throws INVALID_OPTION */
export function parseNatsAddress(where: string): NatsAddress {
  const [, scheme, login, hosts = '', bucket = '', count] =
    where.length > clusterAddressCharsMax ? [] : (form.exec(where) ?? []);
  const servers = hosts.split(',');
  const replicas = count === undefined ? undefined : Number(count);
  const isValid = servers.every((server) => hostForm.test(server));
  if (!isValid || (replicas !== undefined && (replicas < 1 || replicas > natsReplicasMax))) throw invalid();
  const [name, ...rest] = login?.split(':') ?? [];
  const said = rest.length > 0 ? { user: decoded(name), password: decoded(rest.join(':')) } : {};
  return {
    servers: servers.map((server) => (/:\d+$/.test(server) ? server : `${server}:4222`)),
    tls: scheme === 'tls',
    ...(rest.length === 0 && login !== undefined ? { token: decoded(login) } : said),
    bucket,
    replicas,
    shown: `${scheme}://${hosts}/${bucket}`,
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid();
  }
}

/** The address may contain a password, so the message does not show it. */
function invalid(): FlexemrError {
  const message =
    'routing: expected nats://HOST:PORT/BUCKET or tls://HOST:PORT/BUCKET, several servers as HOST:PORT,HOST:PORT, a login as USER:PASSWORD@ or TOKEN@ before them (percent-encoded), and ?replicas=N (1 to 5) to create a bucket with N replicas';
  return new FlexemrError('INVALID_OPTION', message, { field: 'routing' });
}
