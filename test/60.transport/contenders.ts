// Every transport with every kind of security, and its features.

import { FetchTransport } from '../../src/transport/fetch.ts';
import { HttpTransport } from '../../src/transport/http.ts';
import type { ClientSecurity, ServerSecurity } from '../../src/transport/security.ts';
import { StreamTransport } from '../../src/transport/stream.ts';
import type { Transport } from '../../src/transport/transport.ts';
import type { Cluster } from '../cluster.ts';
import { certificates } from './certificates.ts';

export interface Contender {
  readonly name: string;
  /** It uses sockets: bytes can arrive in pieces, and the other side can disconnect. */
  readonly sockets: boolean;
  /** A reply does not wait for the replies to earlier requests. */
  readonly outOfOrder: boolean;
  /** A node is notified when a request is cancelled before its answer. */
  readonly cancels: boolean;
  /** The security of nodes; `client` is the security of rankers. */
  readonly server: ServerSecurity;
  readonly client: ClientSecurity;
  /** Nodes also serve RDMA. */
  readonly rdma?: boolean;
  /** Lookups are done by so many other threads, which open streams themselves. */
  readonly engines?: number;
  open(cluster: Cluster, client: ClientSecurity): Transport | Promise<Transport>;
}

const { ca, node, ranker } = certificates;
const token = 'a token of many letters';

type Kind = Pick<Contender, 'name' | 'sockets' | 'outOfOrder' | 'cancels' | 'rdma' | 'engines' | 'open'>;

const loopback: Kind = {
  name: 'loopback',
  ...{ sockets: false, outOfOrder: true, cancels: true },
  open: (cluster) => cluster.loopback(),
};
const http: Kind = {
  name: 'http',
  ...{ sockets: true, outOfOrder: false, cancels: false },
  open: (_, client) => new HttpTransport(client),
};
const stream: Kind = {
  name: 'stream',
  ...{ sockets: true, outOfOrder: true, cancels: false },
  open: (_, client) => new StreamTransport(new HttpTransport(client), client),
};
const fetching: Kind = {
  name: 'fetch',
  ...{ sockets: true, outOfOrder: true, cancels: false },
  open: (_, client) => new FetchTransport(client),
};

/** The connections of two threads. */
const engines: Kind = { ...stream, name: 'stream by two engines', engines: 2 };

function secured(kind: Kind, how: string, server: ServerSecurity, client: ClientSecurity): Contender {
  return { ...kind, name: `${kind.name}${how}`, server, client };
}

/** A transport with every kind of security. */
export const ways = (kind: Kind): Contender[] => [
  secured(kind, '', {}, {}),
  secured(kind, ' with a token', { token }, { token }),
  secured(kind, ' over TLS', node, { ca }),
  secured(kind, ' over mutual TLS with a token', { ...node, ca, token }, { ca, ...ranker, token }),
];

/** fetch has no contender with TLS, because only the runtime decides which certificates it trusts. */
export const contenders: readonly Contender[] = [
  secured(loopback, '', {}, {}),
  ...ways(http),
  ...ways(stream),
  ...ways(fetching).filter(({ server }) => server.cert === undefined),
];

/** Connections in other threads: without security, and with all of it. */
export const engineContenders: readonly Contender[] = ways(engines).filter(
  (_, i, all) => i % (all.length - 1) === 0,
);
