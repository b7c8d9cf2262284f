// Windows of sessions against a model of a node: what stands in its queue, what other nodes do meanwhile, and afterwards.
import { expect, test } from 'vitest';
import { windowTargetMs } from '../../src/credit-limits.ts';
import { sessionWindow } from '../../src/limits.ts';
import { ReplyBudget } from '../../src/ranker/reply-budget.ts';
import { World } from '../../src/simulation/world.ts';
import { ModelNode, type ModelOptions } from './model-node.ts';

const replyBytes = 4_096;
const untilMs = 2_000;
const callers = 100;

/** What four nodes do: fast ones, then one of them ten times as slow, then fast ones again. */
async function phases(options: Omit<ModelOptions, 'replyBytes'>, budgetBytes: number) {
  using world = new World(1);
  const budget = new ReplyBudget(budgetBytes);
  const nodes = ['slow', 'n1', 'n2', 'n3'].map(
    (name) => new ModelNode(world, name, budget, { ...options, replyBytes }),
  );
  const [slow] = nodes;
  let most = 0;
  world.check = () => {
    for (const { inFlight } of nodes) most = Math.max(most, inFlight);
  };
  const measure = async (ms: number) => {
    for (const node of nodes) node.restart();
    await world.sleep(ms);
    return nodes.map(({ answered, waitsMs, mostInFlight }) => {
      return { perMs: answered / ms, waitMs: waitsMs / answered, mostInFlight };
    });
  };
  const play = async () => {
    const asked = nodes.map((node) => node.ask(callers, untilMs));
    await world.sleep(50);
    const before = await measure(150);
    slow.slowness = 10;
    await world.sleep(500);
    const during = await measure(500);
    slow.slowness = 1;
    await world.sleep(500);
    const after = await measure(150);
    await Promise.all(asked);
    return { before, during, after, most, underWay: budget.stats.replyBytesUnderWay };
  };
  return await world.run(play());
}

const all = 2 ** 30;
const few = 200 * replyBytes;
const cases = [
  { name: 'near', bytes: all, roundTripMs: 0.2, jitterMs: 0.1, serviceMs: 0.07 },
  { name: 'near, room for 200 replies', bytes: few, roundTripMs: 0.2, jitterMs: 0.1, serviceMs: 0.07 },
  { name: 'with jitter', bytes: all, roundTripMs: 0.5, jitterMs: 2, serviceMs: 0.07 },
  { name: 'far, room for 200 replies', bytes: few, roundTripMs: 10, jitterMs: 1, serviceMs: 0.07 },
];

test.each(cases)('$name: a slow node keeps a short queue, and others lose nothing', async (given) => {
  const { bytes, roundTripMs, jitterMs, serviceMs } = given;
  const { before, during, after, most, underWay } = await phases(given, bytes);
  expect(most).toBeLessThanOrEqual(sessionWindow);
  const [slow, ...others] = during;
  // It is never idle for long, and its queue is near the target: jitter comes on top.
  expect(slow.perMs * 10 * serviceMs).toBeGreaterThan(0.85);
  expect(slow.waitMs).toBeLessThan(2 * windowTargetMs + jitterMs);
  // A window of 64 would have let this wait.
  expect(slow.waitMs).toBeLessThan((10 * serviceMs * sessionWindow - roundTripMs - 2 * jitterMs) / 1.5);
  for (const [i, { perMs }] of others.entries()) {
    expect(perMs / before[1 + i].perMs).toBeGreaterThan(0.95);
    expect(after[1 + i].perMs / before[1 + i].perMs).toBeGreaterThan(0.95);
  }
  // Half a second after it is fast again, it is as fast as before.
  expect(after[0].perMs / before[0].perMs).toBeGreaterThan(0.95);
  expect(underWay).toBe(0);
});

test('a node that works long on each subrequest is never without one, and nobody waits long', async () => {
  using world = new World(1);
  const budget = new ReplyBudget(2 ** 30);
  const node = new ModelNode(world, 'n', budget, { roundTripMs: 1, jitterMs: 0, serviceMs: 20, replyBytes });
  const play = async () => {
    const asked = node.ask(callers, 12_000);
    await world.sleep(8_000);
    node.restart();
    await world.sleep(4_000);
    const { answered, mostInFlight } = node;
    await asked;
    return { share: (answered * 20) / 4_000, mostInFlight };
  };
  const { share, mostInFlight } = await world.run(play());
  expect(share).toBeGreaterThan(0.85);
  expect(mostInFlight).toBeLessThan(sessionWindow / 4);
});

test('whatever happens, a window is at least 1 and at most 64, and all credits come back', async () => {
  for (let seed = 1; seed <= 8; seed++) {
    using world = new World(seed);
    const { dice } = world;
    const budget = new ReplyBudget(dice.pick([50, 1_000]) * replyBytes);
    const node = new ModelNode(world, 'n', budget, {
      ...{ roundTripMs: dice.pick([0.1, 5, 50]), jitterMs: dice.pick([0, 1, 30]) },
      ...{ serviceMs: dice.pick([0.1, 2]), replyBytes },
    });
    let most = 0;
    world.check = () => {
      most = Math.max(most, node.inFlight);
    };
    const play = async () => {
      const asked = [node.ask(callers, 1_000, dice.pick([30, 300])), node.ask(callers, 1_000)];
      for (let i = 0; i < 10; i++) {
        node.slowness = dice.pick([1, 1, 10, 100]);
        await world.sleep(100);
      }
      node.slowness = 1;
      // Nobody waits for ever.
      await Promise.all(asked);
      while (node.inFlight > 0) await world.sleep(100);
      // Nothing is left of what was cancelled.
      await node.ask(1, world.now + 1);
      return node.inFlight;
    };
    expect(await world.run(play())).toBe(0);
    expect(most).toBeLessThanOrEqual(sessionWindow);
    expect(budget.stats.replyBytesUnderWay).toBe(0);
  }
});

test('pauses of the ranker shrink no window for long', async () => {
  using world = new World(1);
  const node = new ModelNode(world, 'n', new ReplyBudget(2 ** 30), {
    ...{ roundTripMs: 0.2, jitterMs: 0.1, serviceMs: 0.07, replyBytes },
  });
  /** Replies in half a second, in which the ranker pauses for 20 ms so often. */
  const answeredWith = async (everyMs: number): Promise<number> => {
    node.restart();
    for (const until = world.now + 500; world.now < until; ) {
      if (everyMs < 500) node.pausedUntil = world.now + 20;
      await world.sleep(everyMs);
    }
    return node.answered;
  };
  const play = async () => {
    const asked = node.ask(callers, 2_000);
    const free = await answeredWith(500);
    const sometimes = await answeredWith(100);
    // The first half of a second may pass until it knows that the pauses are not the node's.
    await answeredWith(21);
    const always = await answeredWith(21);
    await asked;
    return { free, sometimes, always };
  };
  const { free, sometimes, always } = await world.run(play());
  expect(sometimes / free).toBeGreaterThan(0.7);
  // Nearly a whole window in each of 24 pauses.
  expect(always).toBeGreaterThan(24 * 0.7 * sessionWindow);
});
