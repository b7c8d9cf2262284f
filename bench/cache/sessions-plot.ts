import { recflow, type SessionsFile } from './cache-sessions.ts';

/** Draws what a cache saves over the probability that a user comes back. */
export function cacheSessionsPlot({ environment, results, capacity, quick }: SessionsFile): object {
  const values = results.flatMap(({ policy, comesBack, candidatesAgain, all, user }) => {
    const again = `${Math.round(candidatesAgain * 100)} % of the candidates again`;
    return [
      { of: 'all', share: all },
      { of: "the user's features", share: user },
    ].map((one) => ({ policy, comesBack, again, ...one }));
  });
  const subtitle = `capacity: ${capacity * 100} % of the rows' bytes; dashed: RecFlow's six requests a user and day, if they are one session. Node ${environment.node}${quick ? '; a smoke run' : ''}`;
  const x = {
    field: 'comesBack',
    type: 'quantitative',
    title: 'users who come back',
  } as const;
  return {
    title: { text: 'Reply bytes that a cache at the ranker saves in ranking sessions', subtitle },
    data: { values },
    facet: {
      column: { field: 'again', type: 'nominal', sort: null, title: null },
      row: { field: 'of', type: 'nominal', sort: null, title: 'saved, of reply bytes of' },
    },
    spec: {
      width: 190,
      height: 140,
      layer: [
        {
          mark: { type: 'line', point: { size: 18 }, strokeWidth: 1.5 },
          encoding: {
            x,
            y: { field: 'share', type: 'quantitative', axis: { format: '~%', tickCount: 5 }, title: null },
            color: { field: 'policy', type: 'nominal', sort: null, title: null },
          },
        },
        {
          mark: { type: 'rule', strokeDash: [4, 3], color: '#888' },
          encoding: { x: { datum: recflow, type: 'quantitative' } },
        },
      ],
    },
    config: { background: 'white', legend: { labelLimit: 340, orient: 'bottom', columns: 2 } },
  };
}
