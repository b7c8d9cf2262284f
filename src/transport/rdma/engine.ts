import type { ReplyPool } from '../reply-pool.ts';
import type { ClientSecurity } from '../security.ts';
import type { Transport } from '../transport.ts';
import type { Endpoint } from './endpoint.ts';

/** A ranker's thread, as its connections share it. */
export interface Engine {
  readonly endpoint: Endpoint;
  readonly replies: ReplyPool;
  readonly security: ClientSecurity;
  /** Where frames go that are too large, and all of them while there is no connection. */
  readonly fallback: Transport;
}
