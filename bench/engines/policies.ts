// Policies that are compared: ours, and simpler ones.
import { Balancer, type Move } from '../../src/engine/balancer.ts';
import type { ConnectionLoad, EngineLoad } from '../../src/engine/load-history.ts';
import { balanceBusyMin } from '../../src/engine-limits.ts';
import type { Policy } from './model.ts';

export interface NamedPolicy {
  readonly name: string;
  open(): Policy;
}

/** Nothing moves. */
const roundRobin: NamedPolicy = { name: 'round robin', open: () => ({ observe: () => [] }) };

const balancer: NamedPolicy = {
  name: 'balancer',
  open: () => {
    const own = new Balancer();
    return {
      observe: (nowMs, connections, engines) => {
        const move = own.observe(nowMs, connections, engines);
        return move ? [move] : [];
      },
    };
  },
};

/** The busiest connection of the most loaded engine, if that is overloaded, moves to the least loaded one. */
const busiest: NamedPolicy = { name: 'busiest', open: () => ({ observe: moveBusiest }) };

const moveBusiest: Policy['observe'] = (_, connections, engines) => {
  const ends = endsOf(connections, engines);
  if (ends === undefined) return [];
  const connection = busiestFirst(connections).find((c) => connections[c].owner === ends.from);
  return connection === undefined ? [] : [{ connection, ...ends }];
};

/** The same, with the connection that lowers the load of the busier engine most, if there is one. It looks at one window only. */
const bestFit: NamedPolicy = { name: 'best fit', open: () => ({ observe: moveBestFit }) };

const moveBestFit: Policy['observe'] = (_, connections, engines) => {
  const ends = endsOf(connections, engines);
  if (ends === undefined) return [];
  const { from, to } = ends;
  const own = [...connections.keys()].filter((c) => connections[c].owner === from);
  const work = own.reduce((sum, c) => sum + connections[c].work, 0);
  const gains = own.map((connection) => {
    const load = (connections[connection].work / work) * engines[from].busy;
    return { connection, gain: Math.min(load, engines[from].busy - engines[to].busy - load) };
  });
  const [best] = gains.sort((a, b) => b.gain - a.gain);
  return best && best.gain > 0 ? [{ connection: best.connection, from, to }] : [];
};

/** The most and the least loaded engine, if the former is overloaded. */
function endsOf(
  connections: readonly ConnectionLoad[],
  engines: readonly EngineLoad[],
): { readonly from: number; readonly to: number } | undefined {
  const queued = (engine: number): number =>
    connections.reduce((sum, { owner, queued }) => sum + (owner === engine ? queued : 0), 0);
  const byLoad = [...engines.keys()].sort(
    (a, b) => engines[a].busy - engines[b].busy || queued(a) - queued(b),
  );
  const [from, to] = [byLoad[byLoad.length - 1], byLoad[0]];
  return engines[from].busy < balanceBusyMin || from === to ? undefined : { from, to };
}

/** If an engine is overloaded, each connection, the busiest first, is given to the engine that has least so far. */
const repacking: NamedPolicy = { name: 'repacking', open: () => ({ observe: repack }) };

function repack(_: number, connections: readonly ConnectionLoad[], engines: readonly EngineLoad[]): Move[] {
  if (engines.every(({ busy }) => busy < balanceBusyMin)) return [];
  const loads = new Float64Array(engines.length);
  const moves: Move[] = [];
  for (const connection of busiestFirst(connections)) {
    const { owner: from, work } = connections[connection];
    const least = Math.min(...loads);
    const to = loads[from] === least ? from : loads.indexOf(least);
    loads[to] += work;
    if (to !== from) moves.push({ connection, from, to });
  }
  return moves;
}

function busiestFirst(connections: readonly ConnectionLoad[]): number[] {
  return [...connections.keys()].sort((a, b) => connections[b].work - connections[a].work);
}

export const policies: readonly NamedPolicy[] = [roundRobin, balancer, busiest, bestFit, repacking];
