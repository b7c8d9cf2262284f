// What anybody with a client of NATS can do to a cluster.
import {
  type JetStreamManager,
  jetstreamManager,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import { type ConnectionOptions, connect, type NatsConnection } from '@nats-io/transport-node';
import type { NatsServer } from './nats-server.ts';

export class RawNats {
  readonly #nats: NatsConnection;
  readonly #manager: JetStreamManager;

  static async open({ port }: NatsServer, options: ConnectionOptions = {}): Promise<RawNats> {
    const nats = await connect({ servers: `127.0.0.1:${port}`, maxReconnectAttempts: -1, ...options });
    return new RawNats(nats, await jetstreamManager(nats));
  }

  private constructor(nats: NatsConnection, manager: JetStreamManager) {
    this.#nats = nats;
    this.#manager = manager;
  }

  async info(bucket: string): Promise<StreamInfo> {
    return await this.#manager.streams.info(`KV_${bucket}`);
  }

  async create(bucket: string, config: Partial<StreamConfig>): Promise<void> {
    const subjects = [`$KV.${bucket}.>`];
    await this.#manager.streams.add({
      ...{ name: `KV_${bucket}`, subjects, allow_rollup_hdrs: true, deny_delete: true },
      ...{ discard: 'new', max_msgs_per_subject: 1, ...config },
    });
  }

  async destroy(bucket: string): Promise<void> {
    await this.#manager.streams.delete(`KV_${bucket}`);
  }

  async #kv(bucket: string): Promise<KV> {
    return await new Kvm(this.#nats).open(bucket, { allow_direct: false });
  }

  async put(bucket: string, key: string, text: string): Promise<void> {
    await (await this.#kv(bucket)).put(key, text);
  }

  async get(bucket: string, key: string): Promise<string | undefined> {
    return (await (await this.#kv(bucket)).get(key))?.string();
  }

  async delete(bucket: string, key: string): Promise<void> {
    await (await this.#kv(bucket)).delete(key);
  }

  /** @returns a function that tells how many direct reads there were since */
  async countDirectReads(bucket: string): Promise<() => number> {
    const subscription = this.#nats.subscribe(`$JS.API.DIRECT.GET.KV_${bucket}.>`);
    await this.#nats.flush();
    return () => subscription.getReceived();
  }

  /** The consumers of all buckets. */
  async consumers(bucket: string): Promise<number> {
    return (await this.info(bucket)).state.consumer_count;
  }

  async close(): Promise<void> {
    await this.#nats.close();
  }
}
