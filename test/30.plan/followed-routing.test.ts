// Whoever reads a routing table and follows its changes ends with the table that is there, whenever answers come.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FollowedRouting } from '../../src/plan/followed-routing.ts';
import type { RoutingSource } from '../../src/plan/routing-source.ts';
import type { RoutingTable } from '../../src/plan/routing-table.ts';

const tables: readonly RoutingTable[] = [0, 1, 2].map((i) => ({ nodes: [{ id: `n${i}` }], tables: [] }));

/** Answers reads later, with the table that was there when they came. Watches look when a test says so. */
class SlowSource implements RoutingSource {
  now = tables[0];
  fails = false;
  readonly #later: () => Promise<unknown>;
  readonly #looks = new Set<() => void>();
  #last = tables[0];

  /** @param later resolves when a read that has come is answered */
  constructor(later: () => Promise<unknown>) {
    this.#later = later;
  }

  async read(): Promise<RoutingTable> {
    const { now, fails } = this;
    await this.#later();
    if (fails) throw new RangeError('nobody answers');
    this.#last = now;
    return now;
  }

  watch(onChange: (routing: RoutingTable) => void): () => void {
    let known = this.#last;
    const look = (): void => {
      if (this.now === known) return;
      known = this.now;
      onChange(known);
    };
    this.#looks.add(look);
    return () => this.#looks.delete(look);
  }

  look(): void {
    for (const look of [...this.#looks]) look();
  }

  get watchers(): number {
    return this.#looks.size;
  }
}

test('the last table that is heard of is the one that is there, and a failed read ends no watch', async () => {
  const act = fc.oneof(
    fc.nat({ max: tables.length - 1 }).map((to) => ({ kind: 'change', to }) as const),
    fc.boolean().map((fails) => ({ kind: 'read', fails }) as const),
    fc.constant({ kind: 'look' } as const),
    fc.constant({ kind: 'answer' } as const),
  );
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.array(act, { maxLength: 20 }), async (scheduler, acts) => {
      const source = new SlowSource(() => scheduler.schedule(Promise.resolve()));
      let heard = source.now;
      const follower = new FollowedRouting(
        source,
        (routing) => {
          heard = routing;
        },
        () => expect.fail('the watch has failed'),
      );
      const reads: Promise<unknown>[] = [];
      for (const each of acts) {
        if (each.kind === 'change') source.now = tables[each.to];
        else if (each.kind === 'look') source.look();
        else if (each.kind === 'answer' && scheduler.count() > 0) await scheduler.waitOne();
        else if (each.kind === 'read') {
          source.fails = each.fails;
          reads.push(follower.read().catch((error) => expect(error).toBeInstanceOf(RangeError)));
        }
      }
      await scheduler.waitAll();
      await Promise.all(reads);
      source.look();
      expect(heard).toBe(source.now);
      follower.close();
      expect(source.watchers).toBe(0);
    }),
    // A failed read hides a change only in rare orders.
    { numRuns: 2000 },
  );
});

test('who closes it while it reads hears nothing more', async () => {
  const answer = Promise.withResolvers<void>();
  const source = new SlowSource(() => answer.promise);
  const heard: RoutingTable[] = [];
  const follower = new FollowedRouting(
    source,
    (routing) => heard.push(routing),
    () => {},
  );
  const read = follower.read();
  follower.close();
  answer.resolve();
  await read;
  source.now = tables[1];
  source.look();
  expect(heard).toEqual([]);
  expect(source.watchers).toBe(0);
});
