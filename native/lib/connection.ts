// The options of a queue pair's state transitions. Checks them, and fills in the defaults for C++.
import { accessMax } from './memory-region.ts';
import { checkNames, integer, portMax, u16Max, u24Max, wrongKind, wrongValue } from './options.ts';
import { mtuCode } from './port.ts';

export interface InitOptions {
  readonly port: number;
  /** The most that the other side is allowed to do: flags of `access`. */
  readonly access: number;
  /** Default: 0. */
  readonly pkeyIndex?: number;
}

/** @throws TypeError, RangeError */
export function initOptions(options: InitOptions): Record<string, number> {
  checkNames(options, ['port', 'access', 'pkeyIndex']);
  return {
    port: integer('port', options.port, 1, portMax),
    access: integer('access', options.access, 0, accessMax),
    pkeyIndex: integer('pkeyIndex', options.pkeyIndex ?? 0, 0, u16Max),
  };
}

export interface ReadyToReceiveOptions {
  /** Bytes: 256, 512, 1024, 2048 or 4096. */
  readonly mtu: number;
  readonly remoteQueuePair: number;
  /** The other side's `packetNumber`; 24 bits. */
  readonly remotePacketNumber: number;
  /** 16 bytes. */
  readonly remoteGid: Uint8Array;
  /** Index of this side's GID. */
  readonly gidIndex: number;
  readonly port: number;
  /** InfiniBand only; default 0. */
  readonly remoteLid?: number;
  /** How many READs and atomics from the other side this side answers at a time. */
  readonly maxReadsInFlight: number;
  /**
   * How long the other side waits before it retries, if no receive is posted here. A code of the verbs API, 0…31
   * (1: 10 µs, 12: 0.64 ms, 0: 655 ms).
   */
  readonly minRnrTimer: number;
  /** 0…15; default 0. */
  readonly serviceLevel?: number;
  /** 0…255; default 0. */
  readonly trafficClass?: number;
  /** 0…255; default 64. */
  readonly hopLimit?: number;
  /** 20 bits; default 0. */
  readonly flowLabel?: number;
}

const hopLimitDefault = 64;
const flowLabelMax = 0xf_ffff;
const gidBytes = 16;
const receiveNames: readonly string[] = [
  ...['mtu', 'remoteQueuePair', 'remotePacketNumber', 'remoteGid', 'gidIndex', 'port', 'remoteLid'],
  ...['maxReadsInFlight', 'minRnrTimer', 'serviceLevel', 'trafficClass', 'hopLimit', 'flowLabel'],
];

/** @throws TypeError, RangeError */
export function readyToReceiveOptions(
  options: ReadyToReceiveOptions,
): Record<string, unknown> & { remoteGid: Uint8Array } {
  checkNames(options, receiveNames);
  const { remoteGid } = options;
  if (!(remoteGid instanceof Uint8Array)) throw wrongKind('remoteGid', 'expected a Uint8Array');
  if (remoteGid.length !== gidBytes) throw wrongValue('remoteGid', `expected ${gidBytes} bytes`);
  return {
    remoteGid,
    mtu: mtuCode(options.mtu),
    remoteQueuePair: integer('remoteQueuePair', options.remoteQueuePair, 0, u24Max),
    remotePacketNumber: integer('remotePacketNumber', options.remotePacketNumber, 0, u24Max),
    gidIndex: integer('gidIndex', options.gidIndex, 0, 255),
    port: integer('port', options.port, 1, portMax),
    remoteLid: integer('remoteLid', options.remoteLid ?? 0, 0, u16Max),
    maxReadsInFlight: integer('maxReadsInFlight', options.maxReadsInFlight, 0, 255),
    minRnrTimer: integer('minRnrTimer', options.minRnrTimer, 0, 31),
    serviceLevel: integer('serviceLevel', options.serviceLevel ?? 0, 0, 15),
    trafficClass: integer('trafficClass', options.trafficClass ?? 0, 0, 255),
    hopLimit: integer('hopLimit', options.hopLimit ?? hopLimitDefault, 0, 255),
    flowLabel: integer('flowLabel', options.flowLabel ?? 0, 0, flowLabelMax),
  };
}

export interface ReadyToSendOptions {
  /** Number of the first packet; 24 bits. */
  readonly packetNumber: number;
  /** How long to wait for an answer: 4.096 µs · 2^timeout, 1…31. 0 waits without a limit. */
  readonly timeout: number;
  /** How often to retry a request that gets no answer: 0…7. */
  readonly retries: number;
  /** How often to retry a request if the other side has no receive posted: 0…6. 7 retries without a limit. */
  readonly rnrRetries: number;
  /** How many READs and atomics of this side are in flight at a time. */
  readonly maxReadsInFlight: number;
}

/** @throws TypeError, RangeError */
export function readyToSendOptions(options: ReadyToSendOptions): Record<string, number> {
  checkNames(options, ['packetNumber', 'timeout', 'retries', 'rnrRetries', 'maxReadsInFlight']);
  return {
    packetNumber: integer('packetNumber', options.packetNumber, 0, u24Max),
    timeout: integer('timeout', options.timeout, 0, 31),
    retries: integer('retries', options.retries, 0, 7),
    rnrRetries: integer('rnrRetries', options.rnrRetries, 0, 7),
    maxReadsInFlight: integer('maxReadsInFlight', options.maxReadsInFlight, 0, 255),
  };
}
