// The interface of the add-on. native/src has a C++ class for each class here. Only lib/ calls it.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { IbverbsError } from './errors.ts';
import type { Ledger } from './ledger.ts';
import type { QueuePairRequest } from './queue-pair.ts';

interface Native {
  close(): void;
}

export interface NativeGid {
  readonly index: number;
  readonly raw: Uint8Array;
  readonly text: string;
  readonly type: number;
}
export interface NativeContext extends Native {
  describe(): { readonly device: string; readonly id: number };
  attributes(): import('./context.ts').DeviceAttributes;
  port(port: number): Readonly<Record<string, number>>;
  gids(port: number): NativeGid[];
  listen(on: boolean): void;
  /** C++ calls it for each event, while listen(true) holds. */
  onevent?: (type: number, port: number, queuePair: number) => void;
}
export interface NativeProtectionDomain extends Native {
  describe(): { readonly id: number; readonly context: number };
}
export interface NativeParentDomain extends Native {
  describe(): { readonly threadDomain: number };
}
export type NativeDomain = NativeProtectionDomain | NativeParentDomain;
export interface NativeMemoryRegion extends Native {
  describe(): {
    readonly address: bigint;
    readonly byteLength: number;
    readonly lkey: number;
    readonly rkey: number;
  };
}
export interface NativeCompletionChannel extends Native {
  listen(): void;
  keepAlive(alive: boolean): void;
  /** C++ calls it with the id of a completion queue, after listen() was called. */
  onevent?: (queue: number) => void;
}
export interface NativeCompletionQueue extends Native {
  describe(): { readonly depth: number; readonly id: number };
  poll(into: Uint32Array): number;
  arm(solicitedOnly: boolean): void;
}
export interface NativeSharedReceiveQueue extends Native {
  postReceives(requests: Uint32Array, count: number): void;
}
export interface NativeQueuePair extends Native {
  describe(): { readonly number: number; readonly maxInlineBytes: number };
  toInit(options: Readonly<Record<string, number>>): void;
  toReadyToReceive(options: { readonly remoteGid: Uint8Array; readonly [name: string]: unknown }): void;
  toReadyToSend(options: Readonly<Record<string, number>>): void;
  toError(): void;
  toReset(): void;
  query(): Readonly<
    Record<'state' | 'mtu' | 'serviceLevel' | 'trafficClass' | 'retries' | 'timeout', number>
  >;
  postSends(requests: Uint32Array, count: number): void;
  postReceives(requests: Uint32Array, count: number): void;
}

interface Addon {
  setErrorClass(errorClass: typeof IbverbsError): void;
  devices(): { name: string; guid: bigint; nodeType: number; transport: number }[];
  ledger(): Ledger;
  Context: new (device: string | number) => NativeContext;
  ProtectionDomain: new (context: NativeContext | number) => NativeProtectionDomain;
  ParentDomain: new (domain: NativeProtectionDomain) => NativeParentDomain;
  MemoryRegion: new (domain: NativeProtectionDomain, view: Uint8Array, access: number) => NativeMemoryRegion;
  CompletionChannel: new (context: NativeContext) => NativeCompletionChannel;
  CompletionQueue: new (
    context: NativeContext,
    options: {
      readonly depth: number;
      readonly channel: NativeCompletionChannel | undefined;
      readonly parent: NativeParentDomain | undefined;
    },
  ) => NativeCompletionQueue;
  SharedReceiveQueue: new (
    domain: NativeDomain,
    options: { readonly maxReceives: number; readonly maxSge: number },
  ) => NativeSharedReceiveQueue;
  QueuePair: new (domain: NativeDomain, options: QueuePairRequest) => NativeQueuePair;
}

let loaded: Addon | undefined;

/** The add-on, loaded at the first call. @throws IbverbsError ADDON_MISSING */
export function addon(): Addon {
  loaded ??= load();
  return loaded;
}

function load(): Addon {
  // lib/ and dist/ are siblings, so this path is right from both.
  const file = fileURLToPath(new URL('../dist/ibverbs.node', import.meta.url));
  if (!existsSync(file)) throw new IbverbsError('require', file, 0, { code: 'ADDON_MISSING' });
  const it: Addon = createRequire(import.meta.url)(file);
  it.setErrorClass(IbverbsError);
  return it;
}
