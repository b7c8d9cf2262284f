// Every transport, in every way it can be secured, and what it is able to.
import { FetchTransport } from '../../src/transport/fetch.ts';
import { HttpTransport } from '../../src/transport/http.ts';
import type { ClientSecurity, ServerSecurity } from '../../src/transport/security.ts';
import { StreamTransport } from '../../src/transport/stream.ts';
import type { Transport } from '../../src/transport/transport.ts';
import type { Cluster } from '../cluster.ts';
import { certificates } from './certificates.ts';

export interface Contender {
  readonly name: string;
  /** Bytes go through sockets: they may come in pieces, and the other side may go away. */
  readonly sockets: boolean;
  /** A reply that is ready need not wait for those asked for before it. */
  readonly outOfOrder: boolean;
  /** A node hears that nobody waits any more before it has answered. */
  readonly cancels: boolean;
  /** What nodes ask for, and what rankers then show. */
  readonly server: ServerSecurity;
  readonly client: ClientSecurity;
  /** Nodes serve by RDMA too. */
  readonly rdma?: boolean;
  open(cluster: Cluster, client: ClientSecurity): Transport | Promise<Transport>;
}

const { ca, node, ranker } = certificates;
const token = 'a token of many letters';

type Kind = Pick<Contender, 'name' | 'sockets' | 'outOfOrder' | 'cancels' | 'rdma' | 'open'>;

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

function secured(kind: Kind, how: string, server: ServerSecurity, client: ClientSecurity): Contender {
  return { ...kind, name: `${kind.name}${how}`, server, client };
}

/** A transport in every way it can be secured. */
export const ways = (kind: Kind): Contender[] => [
  secured(kind, '', {}, {}),
  secured(kind, ' with a token', { token }, { token }),
  secured(kind, ' over TLS', node, { ca }),
  secured(kind, ' over mutual TLS with a token', { ...node, ca, token }, { ca, ...ranker, token }),
];

/** Of fetch over TLS the runtime alone decides whom it trusts: there is no way to give it a certificate. */
export const contenders: readonly Contender[] = [
  secured(loopback, '', {}, {}),
  ...ways(http),
  ...ways(stream),
  ...ways(fetching).filter(({ server }) => server.cert === undefined),
];
