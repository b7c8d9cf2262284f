import type { Outcome } from './tally.ts';

const nameWidth = 45;
const groupWidth = 44;

/** A group of six figures a capacity, in percent. */
export function tableHead(trace: string, capacities: readonly number[]): string {
  const groups = capacities.map((capacity) =>
    `${percent(capacity)} % of the rows' bytes`.padStart(groupWidth),
  );
  const figures = capacities.map(() => cells(['rows', 'segm.', 'bytes', 'keys', 'writes', 'fill']));
  return [trace.padEnd(nameWidth) + groups.join(''), 'saved, %'.padEnd(nameWidth) + figures.join('')].join(
    '\n',
  );
}

export function policyRow(name: string, outcomes: readonly Outcome[]): string {
  const groups = outcomes.map(({ rowHits, segmentHits, replyBytes, nodeKeys, writes, fillBytes }) =>
    cells([rowHits, segmentHits, replyBytes, nodeKeys, writes, fillBytes].map(percent)),
  );
  return name.padEnd(nameWidth) + groups.join('');
}

export function percent(share: number): string {
  return (share * 100).toFixed(1);
}

function cells(texts: readonly string[]): string {
  return texts
    .map((text) => text.padStart(7))
    .join('')
    .padStart(groupWidth);
}
