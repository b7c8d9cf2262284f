// Draws routing tables.

import fc from 'fast-check';
import { dtypes } from '../../src/kernel/dtype.ts';
import type { PlannedShard, PlannedTable, RoutingTable } from '../../src/plan/routing-table.ts';

const text = fc.string({ minLength: 1, maxLength: 12, unit: 'binary' });
const float = fc.float({ noNaN: true });
const spec = fc.record(
  {
    rows: fc.integer({ min: 1, max: 5000 }),
    dim: fc.integer({ min: 1, max: 8 }),
    mode: fc.constantFrom('sum', 'mean', 'sqrtn', 'max', 'none'),
    dtype: fc.constantFrom(...dtypes),
    weighted: fc.boolean(),
    padding: fc.oneof(fc.maxSafeInteger(), fc.bigInt({ min: -(1n << 63n), max: (1n << 64n) - 1n })),
    missing: fc.constantFrom('error', 'skip'),
  },
  { requiredKeys: ['rows', 'dim', 'mode'] },
);

const table = (nodes: readonly string[]): fc.Arbitrary<Omit<PlannedTable, 'spec'> & { spec: object }> =>
  fc
    .record({
      spec,
      defaultRow: fc.option(fc.array(float, { minLength: 8, maxLength: 8 })),
      version: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
      indexed: fc.boolean(),
      cuts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 }),
      on: fc.infiniteStream(fc.shuffledSubarray([...nodes], { minLength: 1 })),
      replicated: fc.boolean(),
    })
    .map(({ spec, defaultRow, version, indexed, cuts, on, replicated }) => ({
      spec: {
        ...spec,
        ...(defaultRow && { defaultRow: defaultRow.slice(0, spec.dim), missing: 'default' }),
      },
      version,
      indexed,
      shards: shardsOf(cuts, indexed ? 2 ** 32 : spec.rows, on, replicated),
    }));

function shardsOf(
  cuts: readonly number[],
  end: number,
  on: Iterator<readonly string[]>,
  replicated: boolean,
): PlannedShard[] {
  const bounds = [...new Set([0, ...cuts.map((cut) => Math.floor(cut * end)), end])].sort((a, b) => a - b);
  return bounds.slice(1).map((bound, i) => {
    const [node, ...replicas] = on.next().value;
    return { node, ...(replicated && replicas.length > 0 && { replicas }), begin: bounds[i], end: bound };
  });
}

export const anyRouting: fc.Arbitrary<RoutingTable> = fc
  .uniqueArray(text, { minLength: 1, maxLength: 4 })
  .chain((ids) =>
    fc.record({
      nodes: fc.tuple(
        ...ids.map((id) =>
          fc.record(
            {
              id: fc.constant(id),
              url: fc.webUrl({ validSchemes: ['http', 'https'] }),
              bytes: fc.maxSafeNat(),
              zone: text,
            },
            { requiredKeys: ['id'] },
          ),
        ),
      ),
      names: fc.uniqueArray(text, { maxLength: 4 }),
      tables: fc.array(table(ids), { minLength: 4, maxLength: 4 }),
    }),
  )
  .map(({ nodes, names, tables }) => ({
    nodes,
    tables: names.map((name, i) => ({ ...tables[i], spec: { name, ...tables[i].spec } }) as PlannedTable),
  }));
