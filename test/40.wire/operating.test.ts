// docs/operating.md agrees with the code.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as clusterLimits from '../../src/cluster-limits.ts';
import * as creditLimits from '../../src/credit-limits.ts';
import * as engineLimits from '../../src/engine-limits.ts';
import * as limits from '../../src/limits.ts';
import * as replicaLimits from '../../src/replica-limits.ts';
import * as scoringLimits from '../../src/scoring-limits.ts';
import * as simulationLimits from '../../src/simulation-limits.ts';
import * as tableLimits from '../../src/table-limits.ts';
import * as updateLimits from '../../src/update-limits.ts';

const text = readFileSync(join(import.meta.dirname, '../../docs/operating.md'), 'utf8');
const values: Readonly<Record<string, number>> = {
  ...limits,
  ...clusterLimits,
  ...creditLimits,
  ...engineLimits,
  ...replicaLimits,
  ...scoringLimits,
  ...simulationLimits,
  ...tableLimits,
  // One name is in both, and limits.ts is documented.
  ...{ ...updateLimits, batchBytesMax: limits.batchBytesMax },
};

test('every documented limit exists in the code with the same value', () => {
  const rows = [...text.matchAll(/^\| `(\w+)`\s*\|\s*(\d+) \|/gm)].map(
    ([, name, value]) => [name, Number(value)] as const,
  );
  expect(rows.length).toBeGreaterThan(20);
  expect(rows).toEqual(rows.map(([name]) => [name, values[name]]));
});

test('the documented memory of a node under attack follows from the limits', () => {
  const bytes = 6 * limits.jsonBodiesBytesMax + limits.connectionsMax * 65_536;
  expect(text).toContain(`${bytes / 2 ** 20} MiB`);
});
