import { markAsUntransferable } from 'node:worker_threads';
import { addon, type NativeMemoryRegion } from './addon.ts';
import { instance, integer, wrongKind, wrongValue } from './options.ts';
import { ProtectionDomain } from './protection-domain.ts';

/** Flags for what is allowed with a region. Local reading is always allowed. */
export const access: {
  readonly localWrite: 1;
  readonly remoteWrite: 2;
  readonly remoteRead: 4;
  readonly remoteAtomic: 8;
} = { localWrite: 1, remoteWrite: 2, remoteRead: 4, remoteAtomic: 8 };

export const accessMax = 15;

/** @throws TypeError, RangeError if `flags` are not flags of `access`, or allow remote writes without local writes */
function checkAccess(flags: number): number {
  integer('access', flags, 0, accessMax);
  if (flags & (access.remoteWrite | access.remoteAtomic) && !(flags & access.localWrite)) {
    throw wrongValue('access', 'remoteWrite and remoteAtomic need localWrite');
  }
  return flags;
}

/**
 * The bytes of `view`, which must not move while they are registered. Refuses resizable memory, and marks an
 * ArrayBuffer so that it cannot be transferred to another thread.
 */
function fixedBytes(view: ArrayBufferView): Uint8Array {
  if (!ArrayBuffer.isView(view)) throw wrongKind('view', 'expected a view, such as a Uint8Array');
  if (view.byteLength === 0) throw wrongValue('view', 'expected at least one byte');
  const { buffer } = view;
  if (buffer instanceof ArrayBuffer) {
    if (buffer.resizable) throw wrongKind('view', 'expected memory that cannot be resized');
    markAsUntransferable(buffer);
  }
  return new Uint8Array(buffer, view.byteOffset, view.byteLength);
}

/** A registered view of (shared) WebAssembly memory or of a Buffer. Keeps the memory alive while it is registered. */
export class MemoryRegion implements Disposable {
  /** @internal */
  readonly native: NativeMemoryRegion;
  /** Address of the first byte, for SGEs and remote addresses. */
  readonly address: bigint;
  readonly byteLength: number;
  /** For this process's SGEs. */
  readonly lkey: number;
  /** For the other side's requests. */
  readonly rkey: number;

  private constructor(registered: NativeMemoryRegion) {
    const { address, byteLength, lkey, rkey } = registered.describe();
    this.native = registered;
    this.address = address;
    this.byteLength = byteLength;
    this.lkey = lkey;
    this.rkey = rkey;
  }

  /**
   * Allocates pages that were never touched, which takes time: seconds for 512 MiB.
   * @param access flags of `access`
   */
  static register(domain: ProtectionDomain, view: ArrayBufferView, access: number): MemoryRegion {
    const { native: parent } = instance('domain', domain, ProtectionDomain);
    const flags = checkAccess(access);
    return new MemoryRegion(new (addon().MemoryRegion)(parent, fixedBytes(view), flags));
  }

  close(): void {
    this.native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
