// Plans with replicas: every shard is on several nodes, in different zones where nodes name zones.
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planSharding, type ShardingInput, type ShardingPlan } from '../../src/plan/planner.ts';
import { predict } from '../../src/plan/prediction.ts';
import { checkRouting, parseRouting, routingJson } from '../../src/plan/routing-json.ts';
import { holdersOf, type PlannedNode } from '../../src/plan/routing-table.ts';
import { refusal } from '../refusal.ts';
import { runs } from '../runs.ts';
import { anyPlan } from './planner-cases.ts';
import { ids, spec } from './small-tables.ts';

/** @returns a plan, or undefined if the tables do not fit */
function planned(input: ShardingInput): ShardingPlan | undefined {
  try {
    return planSharding(input);
  } catch (error) {
    expect(error).toMatchObject({ name: 'FlexemrError', code: 'OUT_OF_MEMORY' });
    return undefined;
  }
}

/** Every node in a zone, or none. */
const anyReplicated = fc
  .record({
    plan: anyPlan(12, 6),
    replicas: fc.integer({ min: 1, max: 4 }),
    zones: fc.infiniteStream(fc.constantFrom('x', 'y', 'z')),
    named: fc.boolean(),
  })
  .map(({ plan, replicas, zones, named }) => ({
    ...plan,
    replicas,
    nodes: plan.nodes.map((node) => ({
      ...node,
      // Each of them holds more than its part of the tables once.
      bytes: node.bytes && node.bytes * replicas,
      ...(named && { zone: zones.next().value }),
    })),
  }));

function zonesOf(nodes: readonly PlannedNode[]): string[] {
  return nodes.map(({ id, zone }) => zone ?? id);
}

describe('a plan with replicas', () => {
  test('has every shard on different nodes and zones, keeps capacities, and is always the same', () => {
    let [fitting, short] = [0, 0];
    fc.assert(
      fc.property(anyReplicated, (input) => {
        const { nodes, replicas } = input;
        if (new Set(zonesOf(nodes)).size < replicas) {
          const refused = refusal(() => planSharding(input));
          expect(refused).toMatchObject({ code: 'INVALID_OPTION', field: 'replicas', value: replicas });
          short++;
          return;
        }
        const plan = planned(input);
        if (plan === undefined) return;
        fitting++;
        const { routing, predicted } = plan;
        const zones = new Map(nodes.map(({ id }, i) => [id, zonesOf(nodes)[i]]));
        const sets = new Set<string>();
        for (const shard of routing.tables.flatMap(({ shards }) => shards)) {
          const holders = holdersOf(shard);
          expect(new Set(holders.map((id) => zones.get(id))).size).toBe(replicas);
          sets.add(JSON.stringify(holders.toSorted()));
        }
        expect(sets.size).toBeLessThanOrEqual(nodes.length);
        for (const [i, { bytes = Number.POSITIVE_INFINITY }] of nodes.entries())
          expect(predicted.nodes[i].bytes).toBeLessThanOrEqual(bytes);
        expect(predicted).toEqual(predict(routing, input.loads));
        expect(parseRouting(routingJson(routing))).toEqual(checkRouting(routing));
        expect(planSharding(input)).toEqual(plan);
      }),
      { numRuns: runs.plans },
    );
    expect(fitting).toBeGreaterThan(runs.plans / 10);
    expect(short).toBeGreaterThan(0);
  });

  test('counts bytes on every node, and work and reply bytes once', () => {
    fc.assert(
      fc.property(anyPlan(6, 5), fc.integer({ min: 2, max: 4 }), (input, replicas) => {
        const nodes = input.nodes.map(({ id }) => ({ id }));
        fc.pre(nodes.length >= replicas);
        const { routing, predicted } = planSharding({ ...input, nodes, replicas });
        const once = predict(
          {
            ...routing,
            tables: routing.tables.map((table) => ({
              ...table,
              shards: table.shards.map(({ node, begin, end }) => ({ node, begin, end })),
            })),
          },
          input.loads,
        );
        const bytes = (nodes: ShardingPlan['predicted']['nodes']): number =>
          nodes.reduce((sum, node) => sum + node.bytes, 0);
        expect(bytes(predicted.nodes)).toBe(replicas * bytes(once.nodes));
        expect(predicted.replyBytes).toBeCloseTo(once.replyBytes, 6);
        expect(predicted.workBytes).toBeCloseTo(once.workBytes, 6);
      }),
      { numRuns: runs.smallPlans },
    );
  });

  test('uses every node as often, if no zone has more than its share', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.integer({ min: 0, max: 7 }), { minLength: 2, maxLength: 24 }),
        (replicas, drawn) => {
          const nodes = drawn.map((zone, i) => ({ id: `n${i}`, zone: `z${zone}` }));
          const sizes = [...Map.groupBy(drawn, (zone) => zone).values()].map(({ length }) => length);
          fc.pre(Math.max(...sizes) <= Math.floor(nodes.length / replicas));
          const { routing } = planSharding({
            tables: [{ spec: { ...spec, rows: 100_000 } }],
            nodes,
            split: 'row',
            replicas,
          });
          const held = routing.tables[0].shards.flatMap(holdersOf);
          const counts = nodes.map(({ id }) => held.filter((holder) => holder === id).length);
          expect(new Set(counts).size).toBe(1);
        },
      ),
      { numRuns: runs.plans },
    );
  });

  test('without replicas is the plan of earlier versions', () => {
    const digest = createHash('sha256');
    for (const input of fc.sample(anyPlan(20, 5), { seed: 1, numRuns: 100 })) {
      const plan = planned({ ...input, replicas: 1 });
      if (plan) digest.update(routingJson(plan.routing));
    }
    expect(digest.digest('hex').slice(0, 16)).toBe('702f872253fa722c');
  });

  test('is refused if there are too few nodes or zones, or if only some nodes name a zone', () => {
    const plan = (nodes: readonly PlannedNode[]) => (): unknown =>
      planSharding({ tables: [{ spec }], nodes, split: 'auto', replicas: 3 });
    const zoned = ids(4).map((id, i) => ({ id, zone: `z${i % 2}` }));
    expect(refusal(plan(ids(2).map((id) => ({ id })))).message).toContain('2 nodes cannot hold 3 replicas');
    expect(refusal(plan(zoned)).message).toContain('2 zones cannot hold 3 replicas');
    expect(refusal(plan([...zoned, { id: 'n4' }])).message).toContain('1 of 5 nodes name no zone');
  });
});

test('headroom is memory that no node gives to the plan', () => {
  fc.assert(
    fc.property(anyPlan(12, 6), fc.constantFrom(0, 0.5, 1), (input, headroom) => {
      const found = planned({ ...input, headroom });
      // A plan with headroom is one for nodes with less memory.
      const less = input.nodes.map((node) => {
        return {
          ...node,
          bytes: node.bytes === undefined ? undefined : Math.floor(node.bytes / (1 + headroom)),
        };
      });
      const same = planned({ ...input, nodes: less });
      expect(found?.routing.tables).toEqual(same?.routing.tables);
      expect(found?.routing.nodes.map(({ bytes }) => bytes)).toEqual(
        found && input.nodes.map(({ bytes }) => bytes),
      );
    }),
    { numRuns: runs.plans },
  );
});
