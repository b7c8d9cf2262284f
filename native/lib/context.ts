import { addon, type NativeContext } from './addon.ts';
import { type AsyncListener, asyncEvent } from './async-event.ts';
import { integer, listenerOf, portMax, wrongKind } from './options.ts';
import { type Gid, gidOf, type PortAttributes, portAttributes } from './port.ts';
import { type Token, tokenId } from './token.ts';

/** The limits of a device. */
export interface DeviceAttributes {
  readonly firmware: string;
  readonly maxQueuePairs: number;
  /** Outstanding work requests per queue. */
  readonly maxWorkRequests: number;
  /** SGEs of a work request. */
  readonly maxSge: number;
  readonly maxCompletionQueues: number;
  /** Depth of a completion queue. */
  readonly maxCompletions: number;
  readonly maxMemoryRegions: number;
  readonly maxMemoryRegionBytes: bigint;
  /** READs and atomics that a queue pair answers at a time (max_qp_rd_atom). */
  readonly maxReadsInFlight: number;
  readonly maxSharedReceiveQueues: number;
  readonly ports: number;
  /** Page sizes that regions may use: one bit for each, and the value of the bit is the size in bytes. */
  readonly pageSizes: bigint;
  readonly vendorId: number;
}

/** A device. A process opens it once, and other threads attach by token. It closes when the last thread closes it. */
export class Context implements Disposable {
  /** @internal */
  readonly native: NativeContext;
  /** Name of the device. */
  readonly device: string;
  readonly token: Token;
  readonly attributes: DeviceAttributes;
  #listener: AsyncListener | undefined;

  private constructor(opened: NativeContext) {
    const { device, id } = opened.describe();
    this.native = opened;
    this.device = device;
    this.token = { kind: 'context', id };
    this.attributes = opened.attributes();
    opened.onevent = (type, port, queuePair) => this.#listener?.(asyncEvent(type, port, queuePair));
  }

  /** @param device a name that devices() returned @throws IbverbsError ENODEV if there is no such device */
  static open(device: string): Context {
    if (typeof device !== 'string') throw wrongKind('device', 'expected a name');
    return new Context(new (addon().Context)(device));
  }

  /** @throws IbverbsError CLOSED if no thread has the device open any more */
  static attach(token: Token): Context {
    return new Context(new (addon().Context)(tokenId(token, 'context')));
  }

  /** Ports count from 1. */
  port(port: number): PortAttributes {
    return portAttributes(this.native.port(integer('port', port, 1, portMax)));
  }

  /** The GIDs that are in use at `port`. */
  gids(port: number): Gid[] {
    return this.native.gids(integer('port', port, 1, portMax)).map(gidOf);
  }

  /**
   * Calls `listener` on this thread's event loop for each event of ports, queue pairs and the device. `undefined` stops
   * it. Every thread that listens gets all events. Does not keep the process alive.
   */
  onAsyncEvent(listener: AsyncListener | undefined): void {
    this.#listener = listener === undefined ? undefined : listenerOf('listener', listener);
    this.native.listen(listener !== undefined);
  }

  close(): void {
    this.native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
