import { FlexemrError, show } from '../errors.ts';
import { kernelModule } from '../kernel/files.ts';
import { fixedRouting, type RoutingSource } from '../plan/routing-source.ts';
import type { RoutingTable } from '../plan/routing-table.ts';
import type { PushDown } from '../ranker/choose.ts';
import { Ranker } from '../ranker/ranker.ts';
import { FetchTransport } from '../transport/fetch.ts';
import { HttpTransport } from '../transport/http.ts';
import type { ClientSecurity } from '../transport/security.ts';
import { StreamTransport } from '../transport/stream.ts';
import type { Transport } from '../transport/transport.ts';
import { fileRouting } from './file-routing.ts';
import { httpRouting } from './http-routing.ts';

/** Transports by name; `stream` falls back to `http` by itself. */
export const transportNames = ['stream', 'http', 'fetch'] as const;
export type TransportName = (typeof transportNames)[number];

export interface OpenRankerOptions {
  /** A routing table; the path or URL of one, which is watched; or a source of one's own. */
  readonly routing: RoutingTable | RoutingSource | string;
  /** Default `stream`. */
  readonly transport?: TransportName | Transport | undefined;
  readonly security?: ClientSecurity | undefined;
  /** Default `auto`: push down or fetch, whichever brings fewer bytes. */
  readonly pushDown?: PushDown | undefined;
  /** A changed routing table that cannot be used; the old one stays. */
  readonly onRoutingError?: ((error: Error) => void) | undefined;
}

/** Opens a ranker over memory nodes. @throws INVALID_ROUTING, INVALID_OPTION, UNAVAILABLE, UNAUTHORIZED */
export async function openRanker(options: OpenRankerOptions): Promise<Ranker> {
  const { pushDown, onRoutingError, security = {} } = options;
  const transport = transportOf(options.transport ?? 'stream', security);
  const routing = sourceOf(options.routing);
  return await Ranker.open({ routing, transport, module: kernelModule('plain'), pushDown, onRoutingError });
}

function sourceOf(routing: OpenRankerOptions['routing']): RoutingSource {
  if (typeof routing === 'string')
    return /^https?:/.test(routing) ? httpRouting(routing) : fileRouting(routing);
  return 'read' in routing ? routing : fixedRouting(routing);
}

function transportOf(transport: TransportName | Transport, security: ClientSecurity): Transport {
  if (typeof transport !== 'string') return transport;
  if (transport === 'stream') return new StreamTransport(new HttpTransport(security), security);
  if (transport === 'http') return new HttpTransport(security);
  if (transport === 'fetch') return new FetchTransport(security);
  const message = `transport ${show(transport)} is none of ${transportNames.join(', ')}`;
  throw new FlexemrError('INVALID_OPTION', message, { field: 'transport', value: transport });
}
