import { CHECKSUM_BYTES } from '../../src/kernel/layout.ts';
import { checksumWindowBytes } from '../../src/limits.ts';
import { Workspace } from '../../src/lookup/workspace.ts';
import type { Processor } from '../../src/simulation/processor.ts';
import type { World } from '../../src/simulation/world.ts';
import { FreeList } from '../../src/store/free-list.ts';

type Use = 'cache' | 'plan' | 'lookup';

interface Allocation {
  readonly bytes: number;
  readonly use: Use;
}

/** The allocations of one list. */
interface Account {
  /** The thread that has the list. */
  readonly owner: Processor;
  readonly open: Map<number, Allocation>;
  /** Bytes of its first allocations. */
  readonly first: number[];
}

/** The first allocations of a workspace, which it keeps: the state of a checksum, and a window. */
const ownBytes = [CHECKSUM_BYTES, checksumWindowBytes];

/** Keeps account of all memory that is allocated while it exists. What is freed must have been allocated, once. */
export class Ledger implements Disposable {
  readonly #lists = new Map<FreeList, Account>();
  readonly #real = { ...pickList(FreeList.prototype), ...pickWorkspace(Workspace.prototype) };
  #use: Use = 'lookup';

  constructor(world: World) {
    const ledger = this;
    const { allocate, free, write, openCache } = this.#real;
    FreeList.prototype.allocate = function (bytes) {
      const address = allocate.call(this, bytes);
      if (address !== undefined) ledger.#allocated(this, world.processor, address, bytes);
      return address;
    };
    FreeList.prototype.free = function (address, bytes) {
      const open = ledger.#lists.get(this)?.open;
      if (open?.get(address)?.bytes !== bytes)
        world.fail(new Error(`${bytes} bytes at ${address} were freed, but are not allocated`));
      open?.delete(address);
      free.call(this, address, bytes);
    };
    Workspace.prototype.write = function (plan) {
      return ledger.#during('plan', () => write.call(this, plan));
    };
    Workspace.prototype.openCache = function (plan) {
      ledger.#during('cache', () => openCache.call(this, plan));
    };
  }

  #during<T>(use: Use, act: () => T): T {
    this.#use = use;
    try {
      return act();
    } finally {
      this.#use = 'lookup';
    }
  }

  #allocated(list: FreeList, owner: Processor, address: number, bytes: number): void {
    const known: Account = this.#lists.get(list) ?? { owner, open: new Map<number, Allocation>(), first: [] };
    this.#lists.set(list, known);
    if (known.first.length < ownBytes.length) known.first.push(bytes);
    known.open.set(address, { bytes, use: this.#use });
  }

  /** What the memory that lookups of rankers share is used for, now: the number of allocations for each use. */
  get shared(): Record<Use, number> {
    const uses = { cache: 0, plan: 0, lookup: 0 };
    for (const { owner, open, first } of this.#lists.values()) {
      if (owner.dead) continue;
      if (first.some((bytes, i) => bytes !== ownBytes[i])) continue;
      uses.lookup -= ownBytes.length;
      for (const { use } of open.values()) uses[use]++;
    }
    return uses;
  }

  [Symbol.dispose](): void {
    const { allocate, free, write, openCache } = this.#real;
    Object.assign(FreeList.prototype, { allocate, free });
    Object.assign(Workspace.prototype, { write, openCache });
  }
}

function pickList({ allocate, free }: FreeList): Pick<FreeList, 'allocate' | 'free'> {
  return { allocate, free };
}

function pickWorkspace({ write, openCache }: Workspace): Pick<Workspace, 'write' | 'openCache'> {
  return { write, openCache };
}
