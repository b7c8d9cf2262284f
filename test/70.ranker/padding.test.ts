// Padding keys cost nothing: a ranker does not send them, and the results are the same.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Bags, Pooled, TableMode } from '../../src/index.ts';
import type { PushDown } from '../../src/lookup/asked.ts';
import { randomOf } from '../10.kernel/pool-case.ts';
import { bits } from '../bits.ts';
import { Cluster } from '../cluster.ts';
import { runs } from '../runs.ts';
import type { GivenTable } from '../tables-file.ts';

const rows = 40;
const dim = 8;

const paddedCases = fc.record({
  mode: fc.constantFrom<TableMode>('sum', 'mean', 'sqrtn', 'max'),
  indexed: fc.boolean(),
  weighted: fc.boolean(),
  padding: fc.nat({ max: rows - 1 }),
  /** Whether the spec has the padding as a negative number. */
  negative: fc.boolean(),
  nodes: fc.integer({ min: 1, max: 3 }),
  split: fc.constantFrom('table', 'row'),
  pushDown: fc.constantFrom<PushDown>('always', 'never', 'auto'),
  /** For each bag, which keys are padding. */
  bags: fc.array(fc.array(fc.boolean(), { maxLength: 12 }), { maxLength: 12 }),
  seed: fc.nat(),
});
type PaddedCase = typeof paddedCases extends fc.Arbitrary<infer T> ? T : never;

const idOf = (row: number): bigint => BigInt.asUintN(64, BigInt(row + 1) * 0x9e3779b97f4a7c15n);

function tableOf({ mode, indexed, padding: row, negative, seed }: PaddedCase): GivenTable {
  const random = randomOf(seed);
  const id = negative ? BigInt.asIntN(64, idOf(row)) : idOf(row);
  const padding = indexed ? id : negative ? row - rows : row;
  return {
    spec: { name: 't', rows, dim, mode, padding },
    rows: Float32Array.from({ length: rows * dim }, () => random() - 0.5),
    ids: indexed ? BigUint64Array.from({ length: rows }, (_, row) => idOf(row)) : undefined,
  };
}

/** The bags, and the same without padding keys. */
function bagsOf({ mode, indexed, weighted, padding, bags, seed }: PaddedCase): [Bags, Bags] {
  const random = randomOf(seed + 1);
  const other = (): number => (padding + 1 + Math.floor(random() * (rows - 1))) % rows;
  const given = bags.map((bag) =>
    bag.map((padded) => ({ row: padded ? padding : other(), weight: Math.floor(random() * 8) / 4 })),
  );
  const as = (all: typeof given): Bags => {
    const keys = Uint32Array.from(all.flat(), ({ row }) => row);
    return {
      keys: indexed ? BigUint64Array.from(keys, idOf) : keys,
      weights: weighted && mode !== 'max' ? all.flat().map(({ weight }) => weight) : undefined,
      lengths: all.map(({ length }) => length),
    };
  };
  return [as(given), as(given.map((bag) => bag.filter(({ row }) => row !== padding)))];
}

test('padding keys transfer no bytes and change no bits, and each is reported', async () => {
  await fc.assert(
    fc.asyncProperty(paddedCases, async (of) => {
      const { nodes, split, pushDown, bags } = of;
      await using cluster = await Cluster.start({ tables: [tableOf(of)], nodes, split, ports: false });
      const look = async (
        t: Bags,
      ): Promise<{ bytes: object; pooled: object[]; padded: Pooled['padded'] }> => {
        const transport = cluster.loopback();
        await using ranker = await cluster.ranker({ transport, pushDown });
        const lookup = await ranker.lookup({ t });
        const { padded } = lookup.get('t') as Pooled;
        const pooled = bits(lookup).map((feature) => ({ ...feature, padded: undefined }));
        return { bytes: transport.traffic(), pooled, padded };
      };
      const [given, without] = bagsOf(of);
      const [all, left] = [await look(given), await look(without)];
      expect(all.bytes).toEqual(left.bytes);
      expect(all.pooled).toEqual(left.pooled);
      expect([...all.padded]).toEqual(bags.flat().flatMap((padded, i) => (padded ? [i] : [])));
      expect(left.padded.length).toBe(0);
    }),
    { numRuns: runs.paddedLookups },
  );
});
