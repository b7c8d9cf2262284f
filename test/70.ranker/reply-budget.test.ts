// The budget for replies, against what its rules promise: never too much, nothing lost, nobody waits for ever.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { smallReplyBytesMax } from '../../src/limits.ts';
import { type NodeReplies, ReplyBudget, ReplyCredit } from '../../src/ranker/reply-budget.ts';

const budgetBytes = 1_048_576;

interface Step {
  readonly kind: 'ask' | 'give' | 'leave';
  readonly node: number;
  readonly bytes: number;
  /** Which of those that it could be. */
  readonly pick: number;
}

const bytes = fc.oneof(
  fc.integer({ min: 64, max: smallReplyBytesMax }),
  fc.integer({ min: 64, max: budgetBytes }),
);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    kind: fc.constantFrom('ask', 'ask', 'give', 'leave'),
    node: fc.nat({ max: 4 }),
    bytes,
    pick: fc.nat(),
  }),
  { minLength: 30, maxLength: 120 },
);

/** Asks for credits, and keeps account of them. */
class Account {
  readonly budget: ReplyBudget = new ReplyBudget(budgetBytes);
  readonly nodes: readonly NodeReplies[] = Array.from({ length: 5 }, () => ({ taken: 0 }));
  readonly taken = new Set<ReplyCredit>();
  readonly waiting = new Set<ReplyCredit>();
  /** Those that were taken, in order. */
  readonly order: ReplyCredit[] = [];

  ask(node: number, bytes: number): ReplyCredit {
    const credit = new ReplyCredit(this.budget, this.nodes[node], bytes);
    const take = (): void => {
      this.waiting.delete(credit);
      expect(this.taken.has(credit)).toBe(false);
      this.taken.add(credit);
      this.order.push(credit);
    };
    if (credit.take()) take();
    else {
      this.waiting.add(credit);
      credit.wait(take);
    }
    return credit;
  }

  async end(credit: ReplyCredit): Promise<void> {
    this.taken.delete(credit);
    this.waiting.delete(credit);
    credit.end();
    // A second time, it does nothing.
    credit.end();
    credit.leave();
    await Promise.resolve();
  }

  check(): void {
    const sum = (credits: Iterable<ReplyCredit>): number =>
      [...credits].reduce((all, { bytes }) => all + bytes, 0);
    const { replyBytesUnderWay } = this.budget.stats;
    expect(replyBytesUnderWay).toBe(sum(this.taken));
    expect(replyBytesUnderWay).toBeLessThanOrEqual(budgetBytes);
    for (const node of this.nodes)
      expect(node.taken).toBe(sum([...this.taken].filter((credit) => credit.node === node)));
    // While nothing is taken, nobody waits.
    if (this.taken.size === 0) expect(this.waiting.size).toBe(0);
  }
}

test('bytes taken are bytes not given back, never more than the budget, and all who wait get theirs', async () => {
  let waits = 0;
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const account = new Account();
      for (const { kind, node, bytes, pick } of all) {
        const from = [...(kind === 'give' ? account.taken : account.waiting)];
        if (kind === 'ask') account.ask(node, bytes);
        else if (from.length > 0) await account.end(from[pick % from.length]);
        account.check();
      }
      waits += account.waiting.size;
      while (account.taken.size > 0) {
        await account.end([...account.taken][0]);
        account.check();
      }
      expect(account.waiting.size).toBe(0);
      expect(account.budget.stats.replyBytesUnderWay).toBe(0);
    }),
    { numRuns: 500 },
  );
  expect(waits).toBeGreaterThan(100);
});

test('large replies of one node are granted in the order of asking', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: smallReplyBytesMax + 1, max: budgetBytes }), {
        minLength: 2,
        maxLength: 30,
      }),
      async (sizes) => {
        const account = new Account();
        const asked = sizes.map((bytes) => account.ask(0, bytes));
        while (account.taken.size > 0) await account.end([...account.taken][0]);
        expect(account.order).toEqual(asked);
      },
    ),
  );
});

test('nodes that never send leave room for the others', async () => {
  const account = new Account();
  const slow = [0, 1, 2];
  for (let i = 0; i < 100; i++) for (const node of slow) account.ask(node, 100_000);
  for (let i = 0; i < 50; i++) {
    const quick = account.ask(4, 100_000);
    expect(account.taken.has(quick)).toBe(true);
    await account.end(quick);
  }
});

test('small replies do not wait behind large ones', async () => {
  const account = new Account();
  for (let i = 0; i < 50; i++) account.ask(i % 4, 300_000);
  expect(account.waiting.size).toBeGreaterThan(0);
  const small = account.ask(4, 20_000);
  expect(account.taken.has(small)).toBe(true);
});

test('a reply that is longer than the budget has room alone', async () => {
  const account = new Account();
  const first = account.ask(0, 1_000);
  const long = account.ask(1, 2 * budgetBytes);
  expect(account.taken.has(long)).toBe(false);
  await account.end(first);
  expect(account.taken.has(long)).toBe(true);
  account.check();
});
