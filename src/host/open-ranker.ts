import * as v from 'valibot';
import { checkFields, given, isObject, options as optionsOf } from '../check.ts';
import { kernelModule } from '../kernel/files.ts';
import { type RoutingSource, routingSource } from '../plan/routing-source.ts';
import type { RoutingTable } from '../plan/routing-table.ts';
import type { PushDown } from '../ranker/choose.ts';
import { Ranker, rankerFields } from '../ranker/ranker.ts';
import { FetchTransport } from '../transport/fetch.ts';
import { HttpTransport } from '../transport/http.ts';
import { type DeviceChoice, deviceChoice } from '../transport/rdma/device-choice.ts';
import { RdmaTransport } from '../transport/rdma/rdma.ts';
import { type ClientSecurity, clientSecurity } from '../transport/security.ts';
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

const methods = ['session', 'describe', 'traffic', 'close'];
const isTransport = (value: unknown): boolean =>
  transportNames.includes(value as TransportName) ||
  (isObject(value) && methods.every((name) => typeof value[name] === 'function'));

const rankerOptions = optionsOf({
  // routingSource says what is wrong with it.
  routing: v.optional(given<OpenRankerOptions['routing']>('a routing table')),
  transport: v.optional(
    v.custom<TransportName | Transport>(isTransport, `one of ${transportNames.join(', ')}, or a transport`),
  ),
  security: v.optional(clientSecurity),
  rdma: v.optional(deviceChoice),
  ...rankerFields,
});

/** Opens a ranker over memory nodes. @throws INVALID_ROUTING, INVALID_OPTION, UNAVAILABLE, UNAUTHORIZED, MISSING_DEPENDENCY */
export async function openRanker(options: OpenRankerOptions): Promise<Ranker> {
  const { routing, transport, security = {}, rdma, ...how } = checkFields(rankerOptions, options);
  const source = sourceOf(routing);
  const module = kernelModule('plain');
  return await Ranker.open({
    routing: source,
    transport: await transportOf(transport ?? 'stream', security, rdma),
    module,
    ...how,
  });
}

function sourceOf(routing: OpenRankerOptions['routing'] | undefined): RoutingSource {
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
  return new FetchTransport(security);
}
