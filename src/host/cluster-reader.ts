import * as v from 'valibot';
import { checkFields, options, type Schema } from '../check.ts';
import { clusterStatusMs } from '../cluster-limits.ts';
import { isNatsAddress, parseNatsAddress } from '../nats/address.ts';
import { type NatsCredentials, natsCredentials } from '../nats/credentials.ts';
import type { ClusterStore } from '../plan/cluster-store.ts';
import { type ClientSecurity, clientSecurity } from '../transport/security.ts';
import type { Transport } from '../transport/transport.ts';
import { openClusterSource } from './cluster-source.ts';
import { type ClusterStatus, clusterStatus } from './cluster-status.ts';
import { openTransport } from './open-transport.ts';

/** Where a cluster is, and how its nodes are asked. */
export interface ClusterPlace {
  /** A file, an http:// or https:// address, or nats://HOST:PORT/BUCKET. */
  readonly routing: string;
  /** Who asks NATS. */
  readonly nats?: NatsCredentials | undefined;
  /** For the nodes. */
  readonly security?: ClientSecurity | undefined;
}

/** @internal */
export const clusterPlace: Schema<ClusterPlace> = options({
  routing: v.string(),
  nats: v.optional(natsCredentials),
  security: v.optional(clientSecurity),
});

/** Reads what a cluster serves, and asks its nodes. */
export class ClusterReader {
  readonly #source: string;
  readonly #hasRevisions: boolean;
  readonly #store: ClusterStore;
  readonly #transport: Transport;
  #read: Promise<ClusterStatus> | undefined;
  #readAt = 0;

  /** @throws INVALID_OPTION, UNAVAILABLE, UNAUTHORIZED, MISSING_DEPENDENCY */
  static async open(place: ClusterPlace): Promise<ClusterReader> {
    const { routing, nats, security = {} } = checkFields(clusterPlace, place);
    const transport = await openTransport({ name: 'http', security, device: undefined });
    try {
      return new ClusterReader(routing, await openClusterSource(routing, nats), transport);
    } catch (error) {
      await transport.close();
      throw error;
    }
  }

  private constructor(routing: string, store: ClusterStore, transport: Transport) {
    this.#hasRevisions = isNatsAddress(routing);
    this.#source = this.#hasRevisions ? parseNatsAddress(routing).shown : routing;
    this.#store = store;
    this.#transport = transport;
  }

  /** Those who ask within a moment share an answer. @throws as ClusterStore.read */
  status(): Promise<ClusterStatus> {
    const now = performance.now();
    if (this.#read === undefined || now - this.#readAt > clusterStatusMs) {
      this.#readAt = now;
      this.#read = this.#status();
    }
    return this.#read;
  }

  async #status(): Promise<ClusterStatus> {
    const { cluster, revision } = await this.#store.read();
    const leases = await this.#store.leases?.read();
    const known = { source: this.#source, cluster, leases };
    return await clusterStatus(
      { ...known, revision: this.#hasRevisions ? revision : undefined },
      this.#transport,
    );
  }

  async close(): Promise<void> {
    await this.#store.close();
    await this.#transport.close();
  }
}
