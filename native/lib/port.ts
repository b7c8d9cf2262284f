import type { NativeGid } from './addon.ts';
import { wrongKind, wrongValue } from './options.ts';

export interface PortAttributes {
  readonly state: 'down' | 'init' | 'armed' | 'active' | 'defer' | 'nop';
  /** Bytes. */
  readonly maxMtu: number;
  /** Bytes. */
  readonly activeMtu: number;
  /** Entries of the GID table, used or not. */
  readonly gids: number;
  readonly lid: number;
  readonly linkLayer: 'infiniband' | 'ethernet' | 'unspecified';
  readonly maxMessageBytes: number;
}

export interface Gid {
  readonly index: number;
  /** 16 bytes, in network order. */
  readonly raw: Uint8Array;
  /** As an IPv6 address. */
  readonly text: string;
  readonly type: 'IB' | 'RoCEv1' | 'RoCEv2' | 'unknown';
}

const states = ['nop', 'down', 'init', 'armed', 'active', 'defer'] as const;
const linkLayers = ['unspecified', 'infiniband', 'ethernet'] as const;
const gidTypes = ['IB', 'RoCEv1', 'RoCEv2'] as const;

/** MTUs in bytes. The code of an MTU in the verbs API is its index + 1. */
const mtus: readonly number[] = [256, 512, 1024, 2048, 4096];

/** @returns bytes; 0 if no MTU has this code */
export function mtuBytes(code: number): number {
  return mtus[code - 1] ?? 0;
}

/** @returns the code of an MTU in the verbs API @throws RangeError if there is no such MTU */
export function mtuCode(bytes: number): number {
  if (typeof bytes !== 'number') throw wrongKind('mtu', 'expected a number');
  if (!mtus.includes(bytes))
    throw wrongValue('mtu', `expected one of ${mtus.join(', ')} bytes, got ${bytes}`);
  return mtus.indexOf(bytes) + 1;
}

export function portAttributes(raw: Readonly<Record<string, number>>): PortAttributes {
  const { state = 0, maxMtu = 0, activeMtu = 0, gids = 0, lid = 0, linkLayer = 0, maxMessageBytes = 0 } = raw;
  return {
    state: states[state] ?? 'nop',
    maxMtu: mtuBytes(maxMtu),
    activeMtu: mtuBytes(activeMtu),
    gids,
    lid,
    linkLayer: linkLayers[linkLayer] ?? 'unspecified',
    maxMessageBytes,
  };
}

export function gidOf({ index, raw, text, type }: NativeGid): Gid {
  return { index, raw, text, type: gidTypes[type] ?? 'unknown' };
}
