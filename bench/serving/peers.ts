import type { PeerFactory } from './contender.ts';
import { grpcPeer } from './grpc-peer.ts';
import { oursPeer } from './ours.ts';
import { redisPeer } from './redis-peer.ts';

/** Whoever serves lookups here; ours first. */
export const peerFactories: readonly PeerFactory[] = [oursPeer, grpcPeer, redisPeer];
