// A ranker follows changes of its routing, or reports that it cannot.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { KeyedBags } from '../../src/index.ts';
import type { RoutingSource } from '../../src/plan/routing-source.ts';
import type { RoutingTable } from '../../src/plan/routing-table.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import { Gate } from '../60.transport/gate.ts';
import { dribbler } from '../60.transport/proxies.ts';
import { refused } from '../60.transport/rig.ts';
import { bits } from '../bits.ts';
import { Cluster } from '../cluster.ts';
import type { GivenTable } from '../tables-file.ts';
import { Turnable } from './turnable.ts';

// Integers, so that sums do not depend on the cuts of tables.
const rows = Float32Array.from({ length: 90 * 4 }, (_, i) => i % 97);
const tables: readonly GivenTable[] = ['a', 'b', 'c'].map((name) => ({
  spec: { name, rows: 90, dim: 4, mode: 'sum' },
  rows,
}));
const bags: KeyedBags = Object.fromEntries(
  tables.map(({ spec }, i) => [spec.name, { keys: [i, 40, 89, 3], lengths: [1, 3] }]),
);

/** Changes only the versions of the tables, which makes it another plan. */
function reversioned({ nodes, tables }: RoutingTable): RoutingTable {
  return { nodes, tables: tables.map((table) => ({ ...table, version: table.version + 1 })) };
}

describe.for(['loopback', 'stream', 'http'] as const)('over %s', (transport) => {
  let old: Cluster;
  let fresh: Cluster;
  let wanted: object[];
  const gates: Gate[] = [];
  beforeAll(async () => {
    const wrap = (handler: ConstructorParameters<typeof Gate>[0]): Gate => {
      const gate = new Gate(handler);
      gates.push(gate);
      return gate;
    };
    old = await Cluster.start({ tables, nodes: 2, wrap });
    fresh = await Cluster.start({ tables, nodes: 3, split: 'row' });
    await using local = await old.tables();
    wanted = bits(await local.lookup(bags));
  });
  afterAll(async () => {
    await old[Symbol.asyncDispose]();
    await fresh[Symbol.asyncDispose]();
  });

  /** Opens a ranker that can reach the nodes of both clusters. */
  async function open(routing: RoutingSource, onRoutingError?: (error: Error) => void): Promise<Ranker> {
    const both = new Map([...old.handlers, ...fresh.handlers]);
    const own = transport === 'loopback' ? old.loopback(both) : transport;
    return await old.ranker({ routing, transport: own, onRoutingError });
  }

  test('lookups with a plan that the nodes do not serve fail as stale', async () => {
    const source = new Turnable(reversioned(old.routing));
    await using ranker = await open(source);
    const error = await refused(ranker.lookup(bags));
    expect(error).toMatchObject({ code: 'STALE_ROUTING' });
    expect(old.routing.nodes.map(({ id }) => id)).toContain(error.node);
    expect(error.message).toContain('read the routing table again');
    // The ranker read the routing again, to look for another plan.
    expect(source.reads).toBe(2);
  });

  test('a stale plan is read again once, and the lookup continues', async () => {
    const source = new Turnable(reversioned(old.routing));
    await using ranker = await open(source);
    source.now = old.routing;
    expect(bits(await ranker.lookup(bags))).toEqual(wanted);
    expect(source.reads).toBe(2);
    expect(bits(await ranker.lookup(bags))).toEqual(wanted);
    expect(source.reads).toBe(2);
  });

  test('a stale plan is read again, although the cache has got another size meanwhile', async () => {
    const source = new Turnable(reversioned(old.routing));
    await using ranker = await open(source);
    for (const gate of gates) gate.close();
    const lookup = ranker.lookup(bags);
    await Promise.all(gates.map((gate) => gate.holds(1)));
    await ranker.resizeCache(65_536);
    source.now = old.routing;
    for (const gate of gates) gate.open();
    expect(bits(await lookup)).toEqual(wanted);
    expect(source.reads).toBe(2);
  });

  test('concurrent lookups also continue after a stale plan', async () => {
    const source = new Turnable(reversioned(old.routing));
    await using ranker = await open(source);
    source.now = fresh.routing;
    const lookups = await Promise.all(Array.from({ length: 20 }, () => ranker.lookup(bags)));
    for (const lookup of lookups) expect(bits(lookup)).toEqual(wanted);
  });

  test('nodes refuse lookups of another version of a table', async () => {
    const [table] = old.routing.tables;
    const mixed = { ...old.routing, tables: [{ ...table, version: 7 }, ...old.routing.tables.slice(1)] };
    await using ranker = await open(new Turnable(mixed));
    expect(await refused(ranker.lookup(bags))).toMatchObject({ code: 'STALE_ROUTING' });
  });

  test('new lookups use a changed table; lookups in flight end with the old one', async () => {
    const source = new Turnable(old.routing);
    await using ranker = await open(source);
    expect(bits(await ranker.lookup(bags))).toEqual(wanted);
    for (const gate of gates) gate.close();
    const under = ranker.lookup(bags);
    await Promise.all(gates.map((gate) => gate.holds(1)));
    source.turn(fresh.routing);
    // The gates of the old nodes are closed, so the new nodes answer this lookup.
    expect(bits(await ranker.lookup(bags))).toEqual(wanted);
    for (const gate of gates) gate.open();
    expect(bits(await under)).toEqual(wanted);
    for (let turn = 0; turn < 10; turn++) {
      source.turn(turn % 2 === 0 ? old.routing : fresh.routing);
      expect(bits(await ranker.lookup(bags))).toEqual(wanted);
    }
    expect(source.watchers).toBe(1);
    await ranker.close();
    expect(source.watchers).toBe(0);
  });

  test('a lookup that has ended is not tried again with a changed table', async () => {
    const source = new Turnable(reversioned(old.routing));
    await using ranker = await open(source);
    const ends: unknown[] = [];
    ranker.observe(({ code }) => ends.push(code));
    const [gate] = gates;
    gate.close();
    const abort = new AbortController();
    const lookup = refused(ranker.lookup(bags, { signal: abort.signal }));
    await gate.holds(1);
    source.turn(old.routing);
    // The other node has refused it by now.
    await expect.poll(() => ends).toContain('STALE_ROUTING');
    abort.abort();
    expect(await lookup).toMatchObject({ code: 'CANCELLED' });
    expect(ranker.stats.lookups).toBe(1);
    gate.open();
  });

  test('a lookup that tries again ends with the old table, although nothing was in flight when it changed', async () => {
    const source = new Turnable(old.routing);
    await using ranker = await open(source);
    for (const gate of gates) gate.refusals = [{ code: 'OVERLOADED', retryAfterMs: 100 }];
    const retried = ranker.lookup(bags);
    await expect.poll(() => ranker.stats.retries).toBe(gates.length);
    source.turn(fresh.routing);
    expect(bits(await retried)).toEqual(wanted);
    expect(bits(await ranker.lookup(bags))).toEqual(wanted);
  });

  test('a ranker reports a change that it cannot use, and keeps its table', async () => {
    const source = new Turnable(old.routing);
    const errors: Error[] = [];
    await using ranker = await open(source, (error) => errors.push(error));
    const nowhere = fresh.routing.nodes.map(({ id }) => ({ id }));
    source.turn({ ...fresh.routing, nodes: nowhere });
    expect(errors).toMatchObject([{ code: 'INVALID_ROUTING', field: 'url' }]);
    expect(bits(await ranker.lookup(bags))).toEqual(wanted);
    source.turn(fresh.routing);
    expect(bits(await ranker.lookup(bags))).toEqual(wanted);
    expect(errors.length).toBe(1);
  });

  test('specs are those of the current table', async () => {
    const source = new Turnable(old.routing);
    await using ranker = await open(source);
    expect(ranker.specs).toEqual(old.routing.tables.map(({ spec }) => spec));
    source.turn({ ...fresh.routing, tables: fresh.routing.tables.slice(0, 1) });
    expect(ranker.specs.map(({ name }) => name)).toEqual(['a']);
    expect(await refused(ranker.lookup(bags))).toMatchObject({ code: 'UNKNOWN_TABLE', field: 'b' });
  });

  test('a ranker that cannot open leaves nothing behind', async () => {
    const [node, ...others] = old.routing.nodes;
    const nobody = { ...node, url: 'http://127.0.0.1:9' };
    const source = new Turnable({ ...old.routing, nodes: [nobody, ...others] });
    const error = await refused(open(source));
    expect(error.code).toBe('UNAVAILABLE');
    expect(error.message).toContain(nobody.url);
    expect(source.watchers).toBe(0);
    const unreachable = new Turnable({ ...old.routing, nodes: [{ id: node.id }, ...others] });
    expect(await refused(open(unreachable))).toMatchObject({ code: 'INVALID_ROUTING', field: 'url' });
  });
});

test('streams to nodes that are no longer used are closed', async () => {
  await using old = await Cluster.start({ tables, nodes: 1 });
  await using fresh = await Cluster.start({ tables, nodes: 1 });
  const port = Number(new URL(old.nodes[0].url).port);
  await using proxy = await dribbler(port, () => 65_536);
  // The node has this id and URL only in this plan.
  const nodes = [{ id: 'n0', url: `http://127.0.0.1:${proxy.port}` }];
  const source = new Turnable({ ...old.routing, nodes });
  await using ranker = await old.ranker({ routing: source, transport: 'stream' });
  await ranker.lookup(bags);
  const before = proxy.connections;
  expect(before).toBeGreaterThan(2);
  source.turn(fresh.routing);
  await ranker.lookup(bags);
  // Descriptions are requested over HTTP, whose connections stay open for some time.
  while (proxy.connections > before - 2) await new Promise((resolve) => setTimeout(resolve, 1));
});
