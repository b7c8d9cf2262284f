// The client of NATS, which is loaded only where it is needed. This is the only file that names its packages.
import type * as JetStream from '@nats-io/jetstream';
import type * as Kv from '@nats-io/kv';
import type * as Transport from '@nats-io/transport-node';
import { FlexemrError } from '../errors.ts';

export type {
  ConsumerMessages,
  JetStreamClient,
  JetStreamManager,
  JsMsg,
  StoredMsg,
  StreamInfo,
} from '@nats-io/jetstream';
export type { KV, KvEntry } from '@nats-io/kv';
export type { Msg, NatsConnection, NodeConnectionOptions, Subscription } from '@nats-io/transport-node';

export interface NatsLibrary {
  readonly transport: typeof Transport;
  readonly jetStream: typeof JetStream;
  readonly kv: typeof Kv;
}

const packages = '@nats-io/transport-node @nats-io/jetstream @nats-io/kv';

/** @throws MISSING_DEPENDENCY */
export async function loadNats(): Promise<NatsLibrary> {
  try {
    // Bundlers leave out an absent package only if its import is awaited right here.
    const transport = await import('@nats-io/transport-node');
    const jetStream = await import('@nats-io/jetstream');
    const kv = await import('@nats-io/kv');
    return { transport, jetStream, kv };
  } catch (cause) {
    const message = `routing in NATS needs three packages beside flexemr: npm install ${packages} (${(cause as Error).message})`;
    throw new FlexemrError('MISSING_DEPENDENCY', message, { field: packages, cause });
  }
}
