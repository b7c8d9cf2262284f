// Keeps account of the memory that engines share, and of what they say to each other.
import { Borrowed } from '../../src/engine/borrowed.ts';
import { Ring } from '../../src/engine/ring.ts';
import { SlotPool } from '../../src/engine/slot-pool.ts';
import type { Processor } from '../../src/simulation/processor.ts';
import type { World } from '../../src/simulation/world.ts';
import { allocationAlignBytes } from '../../src/store/free-list.ts';

interface Account {
  readonly owner: Processor;
  /** What is given out: bytes by address. */
  readonly open: Map<number, number>;
}

/** Records between engines: the ids of subrequests have the highest bit. From this kind on, records end them. */
const askRecord = 1;
const firstEndRecord = 3;

export class EngineLedger implements Disposable {
  readonly #real = {
    pool: pickPool(SlotPool.prototype),
    allocate: Borrowed.prototype.allocate,
    give: Ring.prototype.give,
  };
  readonly #pools = new Map<SlotPool, Account>();
  readonly #borrowed = new Map<Borrowed, Processor>();
  /** Subrequests that other engines have, by the team of the engines and their ids. */
  readonly #asked = new Set<string>();

  constructor(world: World) {
    const ledger = this;
    const { pool, allocate: borrow, give } = this.#real;
    SlotPool.prototype.allocate = function (bytes) {
      const address = pool.allocate.call(this, bytes);
      if (address === undefined) return undefined;
      const account: Account = ledger.#pools.get(this) ?? { owner: world.processor, open: new Map() };
      ledger.#pools.set(this, account);
      if (account.open.has(address)) world.fail(new Error(`a slot at ${address} was given out twice`));
      account.open.set(address, bytes);
      return address;
    };
    SlotPool.prototype.free = function (address, bytes) {
      const open = ledger.#pools.get(this)?.open;
      if (open?.get(address) !== bytes)
        world.fail(new Error(`a slot of ${bytes} bytes at ${address} was freed, but is not given out`));
      open?.delete(address);
      pool.free.call(this, address, bytes);
    };
    Borrowed.prototype.allocate = function (bytes) {
      if (!ledger.#borrowed.has(this)) ledger.#borrowed.set(this, world.processor);
      return borrow.call(this, bytes);
    };
    Ring.prototype.give = function (kind, id, address, bytes) {
      const given = give.call(this, kind, id, address, bytes);
      if (given && id >>> 31 === 1) ledger.#said(world, kind, id >>> 0);
      return given;
    };
  }

  #said(world: World, kind: number, id: number): void {
    const key = `${teamOf(world.processor)} ${id}`;
    if (kind === askRecord) this.#asked.add(key);
    else if (kind >= firstEndRecord && !this.#asked.delete(key))
      world.fail(new Error('a subrequest of another engine was answered twice'));
  }

  /** @throws if engines that live have memory in use, or subrequests of each other. None of them has a lookup. */
  check(live: ReadonlySet<Processor>): void {
    for (const [borrowed, owner] of this.#borrowed) {
      if (!live.has(owner)) continue;
      // What records referred to is free again when more is asked for.
      const address = borrowed.allocate(allocationAlignBytes);
      if (address === undefined) throw new Error(`${owner.name} has no memory left for records`);
      borrowed.giveBack(address, allocationAlignBytes);
    }
    for (const { owner, open } of this.#pools.values())
      if (!owner.dead && open.size > 0)
        throw new Error(`${owner.name} has ${open.size} slots of shared memory in use`);
    const teams = new Set([...live].map(teamOf));
    const left = [...this.#asked].filter((key) => teams.has(key.split(' ')[0]));
    if (left.length > 0) throw new Error(`${left.length} subrequests of other engines never end`);
  }

  [Symbol.dispose](): void {
    const { pool, allocate, give } = this.#real;
    Object.assign(SlotPool.prototype, pool);
    Object.assign(Borrowed.prototype, { allocate });
    Object.assign(Ring.prototype, { give });
  }
}

/** The engines of a ranker that have started together have names that begin with the same. */
function teamOf({ name }: Processor): string {
  return name.slice(0, name.lastIndexOf('.'));
}

function pickPool({ allocate, free }: SlotPool): Pick<SlotPool, 'allocate' | 'free'> {
  return { allocate, free };
}
