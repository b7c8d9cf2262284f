import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rowWise } from '../../src/plan/placement.ts';
import { planSharding, type ShardingInput, type ShardingPlan } from '../../src/plan/planner.ts';
import { predict } from '../../src/plan/prediction.ts';
import { checkRouting } from '../../src/plan/routing-json.ts';
import { randomOf } from '../10.kernel/pool-case.ts';
import { refusal } from '../refusal.ts';
import { runs } from '../runs.ts';
import { anyPlan, leastObjective, objective } from './planner-cases.ts';
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

describe('a plan', () => {
  test('places every key once, on nodes that have the capacity, and is always the same', () => {
    fc.assert(
      fc.property(anyPlan(20, 5), (input) => {
        const plan = planned(input);
        if (plan === undefined) return;
        const { routing, predicted } = plan;
        expect(checkRouting(routing)).toEqual(routing);
        expect(routing.tables.map((own) => own.spec)).toEqual(input.tables.map((own) => own.spec));
        for (const { indexed, spec, shards } of routing.tables) {
          expect(shards.map(({ begin }) => begin)).toEqual([0, ...shards.map(({ end }) => end)].slice(0, -1));
          expect(shards[shards.length - 1].end).toBe(indexed ? 2 ** 32 : spec.rows);
          const on = new Set(shards.map(({ node }) => node)).size;
          if (input.split === 'table') expect(on).toBe(1);
          if (input.split === 'row')
            expect(on).toBe(rowWise({ spec, indexed }, ids(input.nodes.length)).length);
        }
        for (const [i, { bytes = Number.POSITIVE_INFINITY }] of input.nodes.entries())
          expect(predicted.nodes[i].bytes).toBeLessThanOrEqual(bytes);
        expect(predicted).toEqual(predict(routing, input.loads));
        expect(planSharding(input)).toEqual(plan);
      }),
      { numRuns: runs.plans },
    );
  });

  test('of a few tables is within 5 % of the best plan, and exists whenever a plan fits', () => {
    fc.assert(
      fc.property(anyPlan(8, 3), (input) => {
        const least = leastObjective(input);
        const plan = planned(input);
        expect(plan === undefined).toBe(least === Number.POSITIVE_INFINITY);
        if (plan) expect(objective(plan.predicted)).toBeLessThanOrEqual(least * 1.05 + 1e-9);
      }),
      { numRuns: runs.smallPlans },
    );
  });

  test('can be made for many tables too', () => {
    const random = randomOf(7);
    const tables = Array.from({ length: 800 }, (_, i) => {
      const rows = Math.ceil(10 ** (random() * 6));
      return { spec: { ...spec, name: `t${i}`, rows, dim: [16, 32, 64, 128][i % 4] } };
    });
    const bytes = tables.reduce((sum, { spec: { rows, dim } }) => sum + rows * dim * 4, 0);
    const loads = Object.fromEntries(
      tables.map((own) => [own.spec.name, { keysPerBag: 10 ** (random() * 2) }]),
    );
    const nodes = ids(16).map((id) => ({ id, bytes: Math.ceil((bytes / 16) * 1.05) }));
    const { predicted } = planSharding({ tables, nodes, split: 'auto', loads });
    expect(predicted.balance).toBeLessThan(1.2);
    // The smallest possible bytes, because every table is whole.
    expect(predicted.replyBytes).toBeCloseTo(
      tables.reduce((sum, own) => sum + own.spec.dim * 4 + 4, 0),
      3,
    );
  });

  test('keeps a table whole while the load is balanced, and cuts it if one node would be overloaded', () => {
    const nodes = ids(4).map((id) => ({ id }));
    const even = ids(8).map((name) => ({ spec: { ...spec, name, rows: 1000 } }));
    const loads = (keysPerBag: number): ShardingInput['loads'] => ({ n0: { keysPerBag } });
    const cuts = (keysPerBag: number): string[] =>
      planSharding({ tables: even, nodes, split: 'auto', loads: loads(keysPerBag) })
        .routing.tables.filter(({ shards }) => shards.length > 1)
        .map((own) => own.spec.name);
    expect(cuts(1)).toEqual([]);
    expect(cuts(100)).toEqual(['n0']);
  });

  test('keeps the version and the index of each table', () => {
    const tables = [{ spec, version: 9, indexed: true }, { spec: { ...spec, name: 'u' } }];
    const { routing } = planSharding({
      tables,
      nodes: [{ id: 'a', url: 'http://a', bytes: 1e6 }],
      split: 'table',
    });
    expect(routing).toEqual({
      nodes: [{ id: 'a', url: 'http://a', bytes: 1e6 }],
      tables: [
        { spec, version: 9, indexed: true, shards: [{ node: 'a', begin: 0, end: 2 ** 32 }] },
        {
          spec: { ...spec, name: 'u' },
          version: 1,
          indexed: false,
          shards: [{ node: 'a', begin: 0, end: 10 }],
        },
      ],
    });
  });
});

type Refused = readonly [
  what: string,
  input: Partial<Record<keyof ShardingInput, unknown>>,
  code: string,
  field: string,
  value?: unknown,
  position?: number,
];

const large = { spec: { ...spec, rows: 100 } };
const small = { spec: { ...spec, name: 'u', rows: 50 } };
const refused: Refused[] = [
  ['no nodes', { nodes: [] }, 'INVALID_ROUTING', 'nodes', []],
  ['two nodes of one id', { nodes: [{ id: 'a' }, { id: 'a' }] }, 'INVALID_ROUTING', 'nodes', 'a', 1],
  [
    'a node with a negative capacity',
    { nodes: [{ id: 'a', bytes: -1 }] },
    'INVALID_ROUTING',
    'nodes[0].bytes',
    -1,
  ],
  [
    'an address that is not a URL',
    { nodes: [{ id: 'a', url: 'a:1' }] },
    'INVALID_ROUTING',
    'nodes[0].url',
    'a:1',
  ],
  ['two tables of one name', { tables: [large, large] }, 'INVALID_ROUTING', 'tables', 't', 1],
  [
    'a table without rows',
    { tables: [{ spec: { ...spec, rows: 0 } }] },
    'INVALID_TABLE',
    'tables[0].spec.rows',
    0,
  ],
  ['version 0', { tables: [{ spec, version: 0 }] }, 'INVALID_ROUTING', 'tables[0].version', 0],
  ['an unknown split', { split: 'column' }, 'INVALID_OPTION', 'split', 'column'],
  ['a load for an unknown table', { loads: { item: {} } }, 'INVALID_OPTION', 'loads.item', 'item'],
  ['a misspelt load', { loads: { t: { keys: 1 } } }, 'INVALID_OPTION', 'loads.t.keys', 'keys'],
  [
    'a negative number of keys',
    { loads: { t: { keysPerBag: -1 } } },
    'INVALID_OPTION',
    'loads.t.keysPerBag',
    -1,
  ],
  [
    'an infinite number of bags',
    { loads: { t: { bagsPerRequest: 1 / 0 } } },
    'INVALID_OPTION',
    'loads.t.bagsPerRequest',
    1 / 0,
  ],
  [
    'tables larger than all nodes',
    {
      nodes: [
        { id: 'a', bytes: 1000 },
        { id: 'b', bytes: 1399 },
      ],
    },
    'OUT_OF_MEMORY',
    'nodes',
    1,
  ],
  [
    'a table that no node can hold whole',
    {
      nodes: [
        { id: 'a', bytes: 1599 },
        { id: 'b', bytes: 1599 },
      ],
      split: 'table',
    },
    'OUT_OF_MEMORY',
    'nodes',
    1,
    0,
  ],
  [
    'a node too small for its part',
    { nodes: [{ id: 'a' }, { id: 'b', bytes: 1199 }], split: 'row' },
    'OUT_OF_MEMORY',
    'nodes',
    1,
    1,
  ],
  [
    'nodes whose capacities fit no cut',
    {
      nodes: [
        { id: 'a', bytes: 1590 },
        { id: 'b', bytes: 900 },
      ],
    },
    'OUT_OF_MEMORY',
    'nodes',
  ],
];

describe('an input that cannot be planned', () => {
  const input = { tables: [large, small], nodes: [{ id: 'a' }, { id: 'b' }], split: 'auto' };

  test.for(refused)('%s', ([, changed, code, field, value, position]) => {
    const error = refusal(() => planSharding({ ...input, ...changed } as ShardingInput));
    expect({ ...error }).toMatchObject({
      code,
      field,
      ...(value !== undefined && { value }),
      ...(position !== undefined && { position }),
    });
  });

  test('the error names the table that does not fit, the node and the missing bytes', () => {
    const nodes = [{ id: 'a' }, { id: 'b', bytes: 1100 }];
    const { message } = refusal(() => planSharding({ ...input, nodes, split: 'row' } as ShardingInput));
    for (const part of ['node b', '1200 bytes', '1100', '100 too few', '800', 'table t'])
      expect(message).toContain(part);
  });

  test('a load for a table that has the name of a property of every object', () => {
    const tables = ['constructor', '__proto__'].map((name) => ({ spec: { ...spec, name } }));
    const nodes = [{ id: 'a' }];
    expect(planSharding({ tables, nodes, split: 'auto' }).predicted.workBytes).toBe(32);
    const loads = JSON.parse('{ "__proto__": { "keysPerBag": 3 } }');
    expect(planSharding({ tables, nodes, split: 'auto', loads }).predicted.workBytes).toBe(64);
  });
});
