import type * as Verbs from 'ibverbs-node';
import type { OpenDevice } from './device.ts';
import type { Peer } from './handshake.ts';
import {
  ackRetries,
  ackTimeout,
  inlineBytesMax,
  readsInFlightMax,
  receiverNotReadyRetries,
  receiverNotReadyTimer,
} from './settings.ts';

/** Capacities of a queue pair. */
export type QueuePairRoom = Omit<Verbs.QueuePairOptions, 'maxInlineBytes'>;

/**
 * Creates a queue pair. Tries `inlineBytesMax` inline bytes first, and then half as many each time that the device
 * refuses. @throws IbverbsError
 */
export function makeQueuePair(
  { QueuePair, IbverbsError }: typeof Verbs,
  domain: Verbs.ParentDomain,
  room: QueuePairRoom,
): Verbs.QueuePair {
  for (let maxInlineBytes = inlineBytesMax; ; maxInlineBytes >>>= 1)
    try {
      return new QueuePair(domain, { ...room, maxInlineBytes });
    } catch (error) {
      const tooMuch = error instanceof IbverbsError && error.code === 'EINVAL';
      if (!tooMuch || maxInlineBytes === 0) throw error;
    }
}

/** Number of a connection's first packet. It is random, so that late packets of earlier connections rarely match. */
export function randomPacketNumber(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] & 0xffffff;
}

/** Takes a queue pair through its states until it can send and receive. @throws IbverbsError */
export function connectQueuePair(
  queuePair: Verbs.QueuePair,
  { port, gid, mtu, readsInFlight }: OpenDevice,
  peer: Peer,
  own: { readonly packetNumber: number; readonly access: number },
): void {
  const reads = Math.min(readsInFlightMax, readsInFlight, peer.readsInFlight);
  queuePair.toInit({ port, access: own.access });
  queuePair.toReadyToReceive({
    mtu: Math.min(mtu, peer.mtu),
    remoteQueuePair: peer.queuePair,
    remotePacketNumber: peer.packetNumber,
    remoteGid: peer.gid,
    gidIndex: gid.index,
    port,
    maxReadsInFlight: reads,
    minRnrTimer: receiverNotReadyTimer,
  });
  queuePair.toReadyToSend({
    packetNumber: own.packetNumber,
    timeout: ackTimeout,
    retries: ackRetries,
    rnrRetries: receiverNotReadyRetries,
    maxReadsInFlight: reads,
  });
}
