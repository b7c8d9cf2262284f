// Faults in what writes row updates, applies them, and asks for them.
import type { Mutation } from './mutations.ts';

const planted: readonly Mutation[] = [
  {
    name: 'a batch is applied whatever it continues',
    file: 'updates/chain.ts',
    from: "return previous === digest ? 'next' : 'fork';",
    to: "return 'next';",
  },
  {
    name: 'the end of a chain is what was written last, even if it lost a race',
    file: 'updates/chain-end.ts',
    from: 'if (isNext) chain = new Chain(',
    to: 'if (isNext || position.number > 0n) chain = new Chain(',
  },
  {
    name: 'a writer takes the batch of another one for its own',
    file: 'updates/chain-end.ts',
    from: 'if (first?.batch.position.digest !== digest) return undefined;',
    to: 'if (first === undefined) return undefined;',
  },
  {
    name: 'a writer does not look whether the log still has what its batch continues',
    file: 'updates/chain-end.ts',
    from: 'const isThere = last.sequence === 0 || (before && isAt(before, last));',
    to: 'const isThere = true;',
  },
  {
    name: 'a batch that is heard is taken although another one was missed that is before it',
    file: 'memory-node/heard-batches.ts',
    from: 'if (heard?.before === this.#read) {',
    to: 'if (heard !== undefined) {',
  },
  {
    name: 'a write that has to wait is taken for done',
    file: 'memory-node/row-writer.ts',
    from: "    this.#spare?.putBack(staged.taken);\n    return 'later';",
    to: "    this.#spare?.putBack(staged.taken);\n    return 'written';",
  },
  {
    name: 'rows that were read again are served without their batches',
    file: 'memory-node/followed-shard.ts',
    from: '      this.#isReplaying = true;\n      this.#isStale = false;',
    to: '      this.#isReplaying = false;\n      this.#isStale = false;',
  },
  {
    name: 'a log that was made anew is followed as if nothing was lost',
    file: 'memory-node/followed-shard.ts',
    from: "if (this.#chain.position.number > 0n) return this.#trouble('the log was made anew');",
    to: '',
  },
  {
    name: 'a node does not look for batches that nobody has told it of',
    file: 'memory-node/applier.ts',
    from: 'this.#check = setTimeout(() => this.#verify(), updateCheckMs * (0.5 + Math.random()));',
    to: '',
  },
  {
    name: 'a log that does not answer is not asked again',
    file: 'memory-node/applier.ts',
    from: '          this.#putLast(shard);',
    to: '          this.#shards.delete(shard.chain);',
  },
  {
    name: 'a node serves new rows before they have all batches',
    file: 'host/served-cluster.ts',
    from: '    await this.#updates?.caughtUp();\n',
    to: '',
  },
  {
    name: 'batches are written to rows that are freed',
    file: 'host/served-cluster.ts',
    from: '    await this.#updates?.host(this.#releases.updatesOf(others));\n',
    to: '',
  },
  {
    name: 'an update is applied if a shard of another plan has its number',
    file: 'host/cluster-updater.ts',
    from: '      if (served !== plan) return undefined;\n',
    to: '',
  },
  {
    name: 'an update is applied as soon as one node has it',
    file: 'host/cluster-updater.ts',
    from: 'holdersOf(shard).map((node) => ({ node, number, own }));',
    to: 'holdersOf(shard).slice(0, 1).map((node) => ({ node, number, own }));',
  },
  {
    name: 'an answer with older updates than those asked for is used',
    file: 'ranker/wanted-rows.ts',
    from: 'if (isBehind && number >= wanted.number) continue;',
    to: 'if (isBehind) continue;',
  },
  {
    name: 'updates of another log are taken for those asked for',
    file: 'ranker/wanted-rows.ts',
    from: 'const isBehind = incarnation === wanted.incarnation;',
    to: 'const isBehind = true;',
  },
];

/** Only clusters whose rows change can find them. */
export const updateMutations: readonly Mutation[] = planted.map((mutation) => ({
  ...mutation,
  only: 'updates',
}));
