import {
  engineRequestBytes,
  engineResultBytes,
  peerBytesMax,
  peerBytesMin,
  ringRecords,
} from '../engine-limits.ts';

/** How much memory engines share with their application and with each other. */
export interface EngineSizes {
  /** Records of each ring: a power of 2. */
  readonly ringRecords: number;
  /** For bags, and for results, of each engine. */
  readonly requestBytes: number;
  readonly resultBytes: number;
  /** For what one engine sends to another. */
  readonly peerBytes: number;
}

export function engineSizes(engines: number): EngineSizes {
  const shared = Math.floor(peerBytesMax / Math.max(1, engines - 1) / 64) * 64;
  return {
    ringRecords,
    requestBytes: engineRequestBytes,
    resultBytes: engineResultBytes,
    peerBytes: Math.max(peerBytesMin, shared),
  };
}
