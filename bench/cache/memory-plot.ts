import { type MemoryFile, nextNight } from './memory.ts';

/** Draws how large a batch can be beside each cache, over what the cache saves while batches are small. */
export function cacheMemoryPlot({ environment, limitMiB, figure, quick }: MemoryFile): object {
  const kind = (cache: string): string => (cache === 'adaptive' ? 'follows the load' : 'fixed size');
  const values = figure
    .filter(({ cache }) => cache !== nextNight)
    .map((row) => ({ ...row, kind: kind(row.cache) }));
  const x = {
    field: 'saved',
    type: 'quantitative',
    axis: { format: '~%' },
    title: 'reply bytes saved while batches are small',
  } as const;
  const y = {
    field: 'largestBatch',
    type: 'quantitative',
    scale: { zero: true },
    title: 'largest batch, candidates',
  } as const;
  return {
    title: {
      text: `Batches and a cache that share ${limitMiB} MiB`,
      subtitle: `a hard limit: a process that needs more is killed. Node ${environment.node}${quick ? '; a smoke run' : ''}`,
    },
    data: { values },
    width: 420,
    height: 220,
    layer: [
      {
        mark: { type: 'point', filled: true, size: 90, opacity: 1 },
        encoding: { x, y, color: { field: 'kind', type: 'nominal', sort: null, title: null } },
      },
      {
        mark: { type: 'text', align: 'left', dx: 8, dy: 10 },
        encoding: { x, y, text: { field: 'cache', type: 'nominal' } },
      },
    ],
    config: { background: 'white', legend: { orient: 'bottom' } },
  };
}
