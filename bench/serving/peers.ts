import type { PeerFactory } from './contender.ts';
import { floorPeer } from './floor-peer.ts';
import { grpcPeer } from './grpc-peer.ts';
import { oursPeer } from './ours.ts';
import { redisPeer } from './redis-peer.ts';
import { releasePeer } from './release-peer.ts';
import { torchPeer } from './torch-peer.ts';

/** All that serve lookups here. Ours is the first. */
export const peerFactories: readonly PeerFactory[] = [
  oursPeer,
  releasePeer,
  floorPeer,
  torchPeer,
  grpcPeer,
  redisPeer,
];
