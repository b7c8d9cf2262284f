// Windows of several engines over one connection, against a model of a node.
import { expect, test } from 'vitest';
import { windowTargetMs } from '../../src/credit-limits.ts';
import { ConnectionTable } from '../../src/engine/connection-table.ts';
import { GatedSession } from '../../src/engine/gated-session.ts';
import { sessionWindow } from '../../src/limits.ts';
import { NodeClient } from '../../src/ranker/node-client.ts';
import { ReplyBudget } from '../../src/ranker/reply-budget.ts';
import { World } from '../../src/simulation/world.ts';
import { ModelNode } from '../70.ranker/model-node.ts';

const engines = 2;
const callers = 80;

/** What two engines get of a node that both ask over one connection. */
async function share(serviceMs: number, roundTripMs: number) {
  using world = new World(1);
  const options = { roundTripMs, jitterMs: 0.1, serviceMs, replyBytes: 4_096 };
  const node = new ModelNode(world, 'n', new ReplyBudget(2 ** 30), options);
  const table = new ConnectionTable(new SharedArrayBuffer(ConnectionTable.bytes), engines);
  const gate = new GatedSession(0, table, node.transport.session('http://n'), () => {});
  const transport = { ...node.transport, session: () => gate };
  const counts = Array.from({ length: engines }, () => 0);
  const clients = counts.map((_, i) => {
    const client = new NodeClient('n', 'http://n', transport, new ReplyBudget(2 ** 30));
    const { ask } = client;
    client.ask = async (...given) => {
      const reply = await ask.apply(client, given);
      counts[i]++;
      return reply;
    };
    return client;
  });
  const play = async () => {
    const asked = clients.map((client) => node.ask(callers, 2_000, undefined, client));
    await world.sleep(1_000);
    counts.fill(0);
    node.restart();
    await world.sleep(1_000);
    const result = {
      perMs: node.answered / 1_000,
      waitMs: node.waitsMs / node.answered,
      counts: [...counts],
    };
    await Promise.all(asked);
    return { ...result, mostInFlight: node.mostInFlight, idle: gate.isIdle };
  };
  return await world.run(play());
}

test('a slow node gets few subrequests of all engines together, and each engine its share', async () => {
  const { perMs, waitMs, counts, mostInFlight, idle } = await share(0.5, 0.2);
  expect(perMs).toBeGreaterThan(0.9 * 2);
  // Each engine has a target of its own.
  expect(waitMs).toBeLessThan(engines * 2 * windowTargetMs);
  expect(mostInFlight).toBeLessThan(sessionWindow);
  expect(Math.min(...counts) / Math.max(...counts)).toBeGreaterThan(0.5);
  expect(idle).toBe(true);
});

test('over a far connection, the gate stays full, and what waits before it is short', async () => {
  const { perMs, mostInFlight, counts, idle } = await share(0.01, 20);
  expect(mostInFlight).toBe(sessionWindow);
  expect(perMs).toBeGreaterThan((0.85 * sessionWindow) / 20.3);
  expect(Math.min(...counts) / Math.max(...counts)).toBeGreaterThan(0.5);
  expect(idle).toBe(true);
});
