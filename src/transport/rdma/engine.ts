import type * as Verbs from 'ibverbs-node';
import type { ReplyPool } from '../reply-pool.ts';
import type { ClientSecurity } from '../security.ts';
import type { Transport } from '../transport.ts';
import type { CompletionLoop } from './completion-loop.ts';
import type { OpenDevice } from './device.ts';

/** One thread's end of all its RDMA connections. */
export interface Engine {
  readonly verbs: typeof Verbs;
  readonly device: OpenDevice;
  readonly domain: Verbs.ParentDomain;
  readonly queue: Verbs.CompletionQueue;
  readonly loop: CompletionLoop;
  readonly replies: ReplyPool;
  readonly security: ClientSecurity;
  /** Where frames go that are too large, and all of them while there is no connection. */
  readonly fallback: Transport;
}
