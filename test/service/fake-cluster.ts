// A cluster of the fake ranker, in which a release comes.
import type { ClusterStatus } from '../../src/host/cluster-status.ts';

const [serving, next] = ['9c1e55d0a7f3b214', '3b7f0a92c4d8e651'];
const version = '0.1.0';

function release(plan: string, day: number): ClusterStatus['serving'] {
  const from = `/tables/2026-11-${day}.safetensors`;
  return { plan, from, nodes: 4, tables: 3, shards: 12, versions: [day] };
}

function node(place: number, state: 'ready' | 'loading' | 'failed'): ClusterStatus['nodes'][number] {
  const [name, url] = [`memory-${place}:7000`, `http://memory-${place}:7000`];
  const releases = [
    { plan: serving, state: 'ready' as const },
    { plan: next, state, problem: state === 'failed' ? 'no such file' : undefined },
  ];
  const room = { usedBytes: 6e9, totalBytes: 16e9 };
  return {
    ...{ node: name, url, answers: true, problem: undefined, plan: serving, releases, suspect: false },
    zone: `zone-${place % 2}`,
    lease: { node: name, url, ports: [7000], room, releases, version, ageMs: 800 + 350 * place },
  };
}

/** @param down the name of a node that does not answer */
export function releasesWithout(down: string | undefined): ClusterStatus {
  const silent = { answers: false, problem: 'it cannot be reached', plan: undefined, releases: undefined };
  const nodes = releases.nodes.map((each) => (each.node === down ? { ...each, ...silent } : each));
  return { ...releases, nodes };
}

export const releases: ClusterStatus = {
  source: 'nats://nats.example/flexemr',
  revision: '41 1764500000',
  serving: release(serving, 28),
  next: release(next, 29),
  previous: undefined,
  nodes: (['ready', 'ready', 'loading', 'failed'] as const).map((state, place) => node(place, state)),
  rankers: ['r-8d21', 'r-f07a'].map((id, i) => {
    const since = '2026-11-28T03:00:12.000Z';
    return { id, plan: serving, since, version, host: `ranker-${i}`, ageMs: 1_900 + 700 * i };
  }),
};
