// Faults in what changes a cluster while it serves.
import type { Mutation } from './mutations.ts';

const planted: readonly Mutation[] = [
  {
    name: 'a flip does not wait until all holders have loaded',
    file: 'host/roll-out.ts',
    from: "releases.some((release) => release?.state !== 'ready'),",
    to: 'releases.some((release) => release === undefined),',
  },
  {
    name: 'a flip waits for the first worker of each node only',
    file: 'host/roll-out.ts',
    from: 'workerUrls(url, workers).map(',
    to: 'workerUrls(url, workers).slice(0, 1).map(',
  },
  {
    name: 'a flip does not wait for replicas',
    file: 'host/roll-out.ts',
    from: 'const used = holdersIn(routing);',
    to: 'const used = new Set(routing.tables.flatMap(({ shards }) => shards.map(({ node }) => node)));',
  },
  {
    name: 'a change ends without waiting for rankers',
    file: 'host/roll-out.ts',
    from: 'const missing = [...behind, ...asked];',
    to: 'const missing: string[] = [];',
  },
  {
    name: 'an abort after the flip does not wait for rankers',
    file: 'host/roll-out.ts',
    from: 'if (cluster.aborted) {\n      await rankersFollow(store, { cluster, revision }, options);',
    to: 'if (cluster.aborted) {',
  },
  {
    name: 'a command takes a change that somebody else has made for its own',
    file: 'host/roll-out.ts',
    from: "if (error instanceof FlexemrError && error.code === 'CONFLICT') return false;",
    to: "if (error instanceof FlexemrError && error.code === 'CONFLICT') return true;",
  },
  {
    name: 'a flip leaves out what was served',
    file: 'plan/cluster.ts',
    from: 'return { serving: next, previous: serving };',
    to: 'return { serving: next };',
  },
  {
    name: 'an abort after the flip leaves out what was served',
    file: 'plan/cluster.ts',
    from: 'return { serving: previous, previous: serving, aborted: true };',
    to: 'return { serving: previous };',
  },
  {
    name: 'a change takes the place of another one that is under way',
    file: 'plan/cluster.ts',
    from: 'if (cluster.previous !== undefined || (cluster.next !== undefined && !isSame(next, cluster.next)))\n    throw otherChange();',
    to: '',
  },
  {
    name: 'compare-and-set does not compare the revision',
    file: 'plan/kept-cluster.ts',
    from: 'if (found !== revision) throw this.#conflict(found);',
    to: '',
  },
  {
    name: 'a watch trusts its bell',
    file: 'plan/cluster-watch.ts',
    from: 'const [next] = this.#reads;',
    to: 'const [next] = this.#reads;\n    if (next === undefined) return;',
  },
  {
    name: 'a watch reads once after its bell, and does not ask for the state',
    file: 'plan/cluster-watch.ts',
    from: 'if (rung || state !== this.#state) this.#take',
    to: 'if (rung) this.#take',
  },
  {
    name: 'a watch that could not read ends',
    file: 'plan/cluster-watch.ts',
    from: '      this.#fail(error as Error);\n    }',
    to: '      this.#fail(error as Error);\n      return;\n    }',
  },
  {
    name: 'a lease that could not be renewed is not renewed any more',
    file: 'plan/lease.ts',
    from: '        this.#fail(error as Error);\n      }',
    to: '        this.#fail(error as Error);\n        return;\n      }',
  },
  {
    name: 'a node whose lease is gone is left out',
    file: 'host/cluster-status.ts',
    from: 'for (const node of routing.nodes) nodes.set(node.id, node);',
    to: 'for (const node of routing.nodes) if (leases?.nodes.some((l) => l.node === node.id)) nodes.set(node.id, node);',
  },
  {
    name: 'a node frees a release that its subrequests still name',
    file: 'host/served-cluster.ts',
    from: '    await this.#workers.unused();\n',
    to: '',
  },
  {
    name: 'a node does not load a release again that it could not load',
    file: 'host/served-cluster.ts',
    from: 'this.#retry = setTimeout(() => this.#work(), releaseRetryMs * (0.5 + Math.random())).unref();',
    to: '',
  },
  {
    name: 'a node serves the next release in place of the one that is served',
    file: 'host/served-cluster.ts',
    from: 'if (loaded.length > 0) this.#served = loaded;',
    to: 'if (loaded.length > 0) this.#served = loaded.slice(-1);',
  },
  {
    name: 'a node loads every release from its own tables',
    file: 'host/served-cluster.ts',
    from: 'if (tables === undefined) return { routing, tables: own };',
    to: 'if (tables !== "") return { routing, tables: own };',
  },
  {
    name: 'shards of two versions are taken for the same',
    file: 'host/loaded-releases.ts',
    from: 'return JSON.stringify(meaning(table, [shard.begin, shard.end]));',
    to: "return JSON.stringify(meaning({ ...table, version: 0, content: '' }, [shard.begin, shard.end]));",
  },
  {
    name: 'rows are freed that another release has too',
    file: 'host/loaded-releases.ts',
    from: 'if (--unit.uses > 0) return;',
    to: '--unit.uses;',
  },
  {
    name: 'workers hear of an arena that has no slots yet',
    file: 'host/loaded-releases.ts',
    from: 'this.#reader.store.arenas.slice(0, this.#slots.length).map(',
    to: 'this.#reader.store.arenas.map(',
  },
  {
    name: 'rows that no release has any more stay in memory',
    file: 'host/loaded-releases.ts',
    from: 'freeShard(this.#reader.store, unit);',
    to: '',
  },
  {
    name: 'a frame is answered by the current release, whichever it names',
    file: 'memory-node/served-releases.ts',
    from: 'return this.#releases.find((release) => release.isOf(arena, head)) ?? current;',
    to: 'return current;',
  },
];

/** Only clusters that change can find them. */
export const changeMutations: readonly Mutation[] = planted.map((mutation) => ({
  ...mutation,
  only: 'changes',
}));
