import {
  engineRequestBytes,
  engineResultBytes,
  peerBytesMax,
  peerBytesMin,
  ringRecords,
  sharedResultBytesMin,
} from '../engine-limits.ts';

/** How much memory engines share with their application and with each other. */
export interface EngineSizes {
  /** Records of each ring: a power of 2. */
  readonly ringRecords: number;
  /** For bags, and for results, of each engine. */
  readonly requestBytes: number;
  readonly resultBytes: number;
  /** Results of at least so many bytes are used where an engine has left them. */
  readonly sharedResultBytes: number;
  /** For what one engine sends to another. */
  readonly peerBytes: number;
}

export function engineSizes(engines: number): EngineSizes {
  const shared = Math.floor(peerBytesMax / Math.max(1, engines - 1) / 64) * 64;
  return {
    ringRecords,
    requestBytes: engineRequestBytes,
    resultBytes: engineResultBytes,
    sharedResultBytes: sharedResultBytesMin,
    peerBytes: Math.max(peerBytesMin, shared),
  };
}
