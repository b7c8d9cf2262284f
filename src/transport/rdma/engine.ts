import type { ReplyPool } from '../reply-pool.ts';
import type { ClientSecurity } from '../security.ts';
import type { Transport } from '../transport.ts';
import type { Endpoint } from './endpoint.ts';

/** What all connections of one ranker's thread share. */
export interface Engine {
  readonly endpoint: Endpoint;
  readonly replies: ReplyPool;
  readonly security: ClientSecurity;
  /** Carries frames that are too large for RDMA, and all frames while there is no connection. */
  readonly fallback: Transport;
}
