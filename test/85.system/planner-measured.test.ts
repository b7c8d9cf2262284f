// Compares the predictions of the planner with the bytes that memory nodes send and read.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { tableWise } from '../../src/plan/placement.ts';
import { planSharding } from '../../src/plan/planner.ts';
import { runs } from '../runs.ts';
import { balanceOf, bestPlacement, bytesOf, measure, nodeIds, objective } from './measured-plan.ts';
import { sum } from './mlperf.ts';
import { anyShape, caseOf } from './planned-case.ts';

/**
 * Predictions are means, and 10,000 requests are measured. The number of vectors of a request has a standard deviation
 * of at most about its mean (if every other bag is empty), so that of all requests is at most 1 %: three times that.
 * Predictions leave out headers, which are a few bytes per thousand requests.
 */
const replyTolerance = 0.03;

/** A plan can cost 5 % more than the best. To this, tests add three times the random deviation of the work. */
const costTolerance = 0.05;

test('a plan has the predicted costs, and hardly more than the best measured plan', async () => {
  const figures: object[] = [];
  const property = fc.asyncProperty(anyShape, async (shape) => {
    const given = caseOf(shape);
    const tables = given.tables.map(({ spec, ids }) => ({ spec, indexed: ids !== undefined }));
    const uncut = tables.map((table) => ({ ...table, version: 1, shards: [] }));
    const sizes = uncut.map((table) => sum(bytesOf({ ...table, shards: tableWise(table, nodeIds[0]) })));
    const room = shape.slack && Math.ceil((shape.slack * sum(sizes)) / nodeIds.length);
    const nodes = nodeIds.map((id) => ({ id, bytes: room }));
    const { routing, predicted } = planSharding({ tables, nodes, split: 'auto', loads: given.loads });

    const planned = await measure(given, routing.tables);
    const best = await measure(given, await bestPlacement(given, uncut, room ?? Number.POSITIVE_INFINITY));
    const chance = 3 * Math.max(planned.workNoise, best.workNoise);
    const overBest = objective(planned) / objective(best);
    const asPredicted = planned.replyBytes / predicted.replyBytes;
    figures.push({
      tables: tables.length,
      'of them cut': routing.tables.filter(({ shards }) => shards.length > 1).length,
      room: shape.slack === undefined ? 'any' : `${shape.slack} of a fair share`,
      'reply, B': `${planned.replyBytes.toFixed(0)}, predicted ${predicted.replyBytes.toFixed(0)}`,
      balance: `${balanceOf(planned).toFixed(2)}, predicted ${predicted.balance.toFixed(2)}`,
      'cost over best': overBest.toFixed(3),
      chance: chance.toFixed(3),
    });
    expect(Math.abs(asPredicted - 1)).toBeLessThanOrEqual(replyTolerance);
    expect(overBest).toBeLessThanOrEqual((1 + costTolerance) * (1 + chance));
  });
  try {
    await fc.assert(property, { numRuns: runs.measuredPlans, endOnFailure: true, ...runs.measuredSeed });
  } finally {
    console.table(figures);
  }
});
