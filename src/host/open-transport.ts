import { FetchTransport } from '../transport/fetch.ts';
import type { DeviceTokens } from '../transport/rdma/device.ts';
import type { DeviceChoice } from '../transport/rdma/device-choice.ts';
import { RdmaTransport } from '../transport/rdma/rdma.ts';
import type { ClientSecurity } from '../transport/security.ts';
import { StreamTransport } from '../transport/stream.ts';
import type { Transport } from '../transport/transport.ts';
import type { TransportName } from './transport-names.ts';

/** A transport to open. It is plain data. */
export interface TransportChoice {
  readonly name: TransportName;
  readonly security: ClientSecurity;
  /** The device of `rdma`; tokens, if another thread has opened it. */
  readonly device: DeviceChoice | DeviceTokens | undefined;
}

/** @throws MISSING_DEPENDENCY, UNAVAILABLE, OUT_OF_MEMORY */
export async function openTransport({ name, security, device }: TransportChoice): Promise<Transport> {
  if (name === 'fetch') return new FetchTransport(security);
  // Only now, because undici takes a quarter of the time that a program needs to start.
  const { HttpTransport } = await import('../transport/http.ts');
  const http = new HttpTransport(security);
  if (name === 'http') return http;
  const stream = new StreamTransport(http, security);
  return name === 'stream' ? stream : await RdmaTransport.open(stream, security, device);
}
