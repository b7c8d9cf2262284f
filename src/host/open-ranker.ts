import { FlexemrError, show } from '../errors.ts';
import { kernelModule } from '../kernel/files.ts';
import { type RoutingSource, routingSource } from '../plan/routing-source.ts';
import type { RoutingTable } from '../plan/routing-table.ts';
import type { PushDown } from '../ranker/choose.ts';
import { Ranker } from '../ranker/ranker.ts';
import { FetchTransport } from '../transport/fetch.ts';
import { HttpTransport } from '../transport/http.ts';
import type { DeviceChoice } from '../transport/rdma/device.ts';
import { RdmaTransport } from '../transport/rdma/rdma.ts';
import type { ClientSecurity } from '../transport/security.ts';
import { StreamTransport } from '../transport/stream.ts';
import type { Transport } from '../transport/transport.ts';
import { fileRouting } from './file-routing.ts';
import { httpRouting } from './http-routing.ts';

/** Transports by name; `stream` falls back to `http` by itself, and `rdma` to `stream`. */
export const transportNames = ['stream', 'http', 'fetch', 'rdma'] as const;
export type TransportName = (typeof transportNames)[number];

export interface OpenRankerOptions {
  /** A routing table; the path or URL of one, which is watched; or a source of one's own. */
  readonly routing: RoutingTable | RoutingSource | string;
  /** Default `stream`. */
  readonly transport?: TransportName | Transport | undefined;
  readonly security?: ClientSecurity | undefined;
  /** Which device `rdma` goes through; default: the first there is. */
  readonly rdma?: DeviceChoice | undefined;
  /** Default `auto`: push down or fetch, whichever brings fewer bytes. */
  readonly pushDown?: PushDown | undefined;
  /** Frames carry checksums where they go neither by TLS nor by RDMA. Default: true. */
  readonly checksums?: boolean | undefined;
  /** A changed routing table that cannot be used; the old one stays. */
  readonly onRoutingError?: ((error: Error) => void) | undefined;
}

/** Opens a ranker over memory nodes. @throws INVALID_ROUTING, INVALID_OPTION, UNAVAILABLE, UNAUTHORIZED, MISSING_DEPENDENCY */
export async function openRanker(options: OpenRankerOptions): Promise<Ranker> {
  const { pushDown, checksums, onRoutingError, security = {} } = options;
  const transport = await transportOf(options.transport ?? 'stream', security, options.rdma);
  const routing = sourceOf(options.routing);
  const module = kernelModule('plain');
  return await Ranker.open({ routing, transport, module, pushDown, checksums, onRoutingError });
}

function sourceOf(routing: OpenRankerOptions['routing']): RoutingSource {
  if (typeof routing === 'string')
    return /^https?:/.test(routing) ? httpRouting(routing) : fileRouting(routing);
  return routingSource(routing);
}

async function transportOf(
  transport: TransportName | Transport,
  security: ClientSecurity,
  device: DeviceChoice | undefined,
): Promise<Transport> {
  if (typeof transport !== 'string') return transport;
  const stream = (): Transport => new StreamTransport(new HttpTransport(security), security);
  if (transport === 'stream') return stream();
  if (transport === 'rdma') return await RdmaTransport.open(stream(), security, device);
  if (transport === 'http') return new HttpTransport(security);
  if (transport === 'fetch') return new FetchTransport(security);
  const message = `transport ${show(transport)} is none of ${transportNames.join(', ')}`;
  throw new FlexemrError('INVALID_OPTION', message, { field: 'transport', value: transport });
}
