import type * as Verbs from 'ibverbs-node';
import { sessionWindow } from '../../limits.ts';
import { BufferPool } from '../../store/buffer-pool.ts';
import type { ClientSecurity } from '../security.ts';
import type { Session, Traffic, Transport } from '../transport.ts';
import {
  attachDevice,
  closeDevice,
  type DeviceTokens,
  loadVerbs,
  type OpenDevice,
  openDevice,
  registerMemory,
} from './device.ts';
import type { DeviceChoice } from './device-choice.ts';
import { Endpoint } from './endpoint.ts';
import type { Engine } from './engine.ts';
import { RankerLink } from './ranker-link.ts';
import { RdmaSession } from './rdma-session.ts';
import { completionQueueDepth } from './settings.ts';

/** Most workers that one engine is connected to at a time. The capacity of its completion queue limits it. */
const linksMax: number = Math.floor(completionQueueDepth / (RankerLink.sendsMax + sessionWindow));

/**
 * Transport by RDMA. Subrequests are written into slots of the memory node, and replies into slots here, without a
 * system call. Frames that do not fit a slot, and all frames while a connection is down, go by `fallback`. Sessions
 * connect again automatically.
 */
export class RdmaTransport implements Transport {
  readonly name = 'rdma';
  readonly #engine: Engine;
  readonly #sessions = new Set<RdmaSession>();

  /** @param choice tokens if another thread has opened the device @throws MISSING_DEPENDENCY, UNAVAILABLE if no device is usable, OUT_OF_MEMORY if no memory can be registered */
  static async open(
    fallback: Transport,
    security: ClientSecurity,
    choice: DeviceChoice | DeviceTokens = {},
  ): Promise<RdmaTransport> {
    const verbs = await loadVerbs();
    const device = 'context' in choice ? attachDevice(verbs, choice) : openDevice(verbs, choice);
    try {
      // Fails now if the memory of a connection cannot be registered. Otherwise each connection would fail, and all
      // frames would go by the fallback without an error.
      registerMemory(verbs, device, new Uint8Array(RankerLink.memoryBytes), verbs.access.localWrite).close();
    } catch (error) {
      closeDevice(device);
      throw error;
    }
    return new RdmaTransport(verbs, device, fallback, security);
  }

  private constructor(
    verbs: typeof Verbs,
    device: OpenDevice,
    fallback: Transport,
    security: ClientSecurity,
  ) {
    const endpoint = new Endpoint(verbs, device);
    this.#engine = { endpoint, replies: new BufferPool(), security, fallback };
  }

  /** Returns a session of the fallback if the completion queue has no capacity for another connection. */
  session(url: string): Session {
    if (this.#sessions.size >= linksMax) return this.#engine.fallback.session(url);
    const session = new RdmaSession(url, this.#engine, () => this.#sessions.delete(session));
    this.#sessions.add(session);
    return session;
  }

  describe(url: string): ReturnType<Transport['describe']> {
    return this.#engine.fallback.describe(url);
  }

  /** Number of workers that are connected by RDMA now. */
  get connected(): number {
    return [...this.#sessions].filter(({ readsRows }) => readsRows).length;
  }

  /** Traffic of the RDMA connections and of the fallback together. */
  traffic(): Traffic {
    return [...this.#sessions].reduce<Traffic>(
      (sum, { traffic }) => ({
        bytesOut: sum.bytesOut + traffic.bytesOut,
        bytesIn: sum.bytesIn + traffic.bytesIn,
      }),
      this.#engine.fallback.traffic(),
    );
  }

  async close(): Promise<void> {
    const { endpoint, fallback } = this.#engine;
    await Promise.all([...this.#sessions].map((session) => session.close()));
    endpoint.close();
    await fallback.close();
  }
}
