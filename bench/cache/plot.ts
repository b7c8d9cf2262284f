import type { PoliciesFile } from './cache-policies.ts';

/** The others are in the table: they are close to one of these. */
const drawn = [
  'LRU',
  'CLOCK + TinyLFU',
  'CLOCK, 2 bits + second miss',
  'SIEVE',
  'S3-FIFO',
  'rows to 4 keys: CLOCK, 2 bits + second miss',
  'Belady',
];

/** Draws the share of reply bytes that each policy saves over its capacity, a small multiple per trace. */
export function cachePoliciesPlot({ environment, results, quick }: PoliciesFile): object {
  const values = results
    .filter(({ policy }) => drawn.includes(policy))
    .map(({ trace, policy, capacity, replyBytes, fillBytes }) => {
      return { trace, policy, capacity, saved: replyBytes - fillBytes };
    });
  const subtitle = `whole segments are cached, unless the name says rows: then the bytes of fetched rows are subtracted; Belady (whole segments) knows what comes. Node ${environment.node}${quick ? '; a smoke run' : ''}`;
  return {
    title: { text: 'Reply bytes that a cache at the ranker saves', subtitle },
    data: { values },
    facet: { field: 'trace', type: 'nominal', sort: null, title: null },
    columns: 3,
    resolve: { scale: { y: 'independent' } },
    spec: {
      width: 190,
      height: 140,
      mark: { type: 'line', point: { size: 18 }, strokeWidth: 1.5 },
      encoding: {
        x: {
          field: 'capacity',
          type: 'quantitative',
          scale: { type: 'log' },
          axis: { format: '~%', values: [0.001, 0.01, 0.05, 0.1] },
          title: "capacity, of the rows' bytes (log)",
        },
        y: { field: 'saved', type: 'quantitative', axis: { format: '~%', tickCount: 5 }, title: null },
        color: { field: 'policy', type: 'nominal', sort: drawn, title: null, scale: { scheme: 'tableau10' } },
      },
    },
    config: { background: 'white', legend: { labelLimit: 340, orient: 'bottom', columns: 2 } },
  };
}
