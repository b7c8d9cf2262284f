import type { PeerFactory } from './contender.ts';
import { grpcPeer } from './grpc-peer.ts';
import { oursPeer } from './ours.ts';
import { redisPeer } from './redis-peer.ts';

/** All that serve lookups here. Ours is the first. */
export const peerFactories: readonly PeerFactory[] = [oursPeer, grpcPeer, redisPeer];
