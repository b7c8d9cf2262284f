import type { BufferPool } from '../../store/buffer-pool.ts';
import type { ClientSecurity } from '../security.ts';
import type { Transport } from '../transport.ts';
import type { Endpoint } from './endpoint.ts';

/** What all connections of one ranker's thread share. */
export interface Engine {
  readonly endpoint: Endpoint;
  readonly replies: BufferPool;
  readonly security: ClientSecurity;
  /** Carries frames that are too large for RDMA, and all frames while there is no connection. */
  readonly fallback: Transport;
}
