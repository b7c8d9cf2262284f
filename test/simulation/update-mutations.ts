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
    name: 'batches that are missing are ignored',
    file: 'updates/chain.ts',
    from: "if (position.number > number) return 'gap';",
    to: "if (position.number > number) return 'next';",
  },
  {
    name: 'a batch of an earlier log is taken for one of this log',
    file: 'updates/chain.ts',
    from: "if (position.incarnation !== incarnation) return 'fork';",
    to: '',
  },
  {
    name: 'a chain whose end is another one is taken for the same',
    file: 'updates/chain.ts',
    from: 'return end.number > number || this.#has(end);',
    to: 'return true;',
  },
  {
    name: 'the end of a chain is what was written last, even if it lost a race',
    file: 'updates/chain-end.ts',
    from: '(before.batch.position.digest === previous && before.batch.position.incarnation === incarnation));',
    to: 'true);',
  },
  {
    name: 'a writer takes the batch of another one for its own',
    file: 'updates/chain-writer.ts',
    from: 'first?.batch.position.digest === position.digest &&',
    to: 'first !== undefined &&',
  },
  {
    name: 'a writer does not look whether the log still has what its batch continues',
    file: 'updates/chain-writer.ts',
    from: '(await isInChain(this.#log, this.#chain, position.incarnation, first))',
    to: 'first',
  },
  {
    name: 'a writer does not say that the log has lost what it had acknowledged',
    file: 'updates/chain-writer.ts',
    from: 'if (this.#acknowledged === undefined) return;',
    to: 'if (this.#acknowledged !== null) return;',
  },
  {
    name: 'a write that has to wait is taken for done',
    file: 'memory-node/row-writer.ts',
    from: "    this.#spare?.putBack(staged.taken);\n    return 'later';",
    to: "    this.#spare?.putBack(staged.taken);\n    return 'written';",
  },
  {
    name: 'the next thread begins at the first batch',
    file: 'memory-node/followed-shard.ts',
    from: 'const { position, sequence } = this.#writer.followedTo;',
    to: 'const { position, sequence } = { position: genesis(0), sequence: 0 };',
  },
  {
    name: 'rows that were being read again when the thread died are not read again',
    file: 'memory-node/followed-shard.ts',
    from: 'this.#isStale = this.#writer.isReloading;',
    to: 'this.#isStale = false;',
  },
  {
    name: 'rows that were read again get batches from where they were',
    file: 'memory-node/followed-shard.ts',
    from: '      this.#sequence = start?.sequence ?? 0;\n      this.#written = this.#sequence;',
    to: '',
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
    name: 'rows are served as soon as a server that lags has no more batches',
    file: 'memory-node/followed-shard.ts',
    from: "if (this.#chain.position.number < this.#first) return 'later';",
    to: '',
  },
  {
    name: 'a node does not look for batches that nobody has told it of',
    file: 'memory-node/applier.ts',
    from: 'this.#check = setTimeout(() => this.#verify(), updateCheckMs * (0.5 + Math.random()));',
    to: '',
  },
  {
    name: 'after a fork, the log is taken for the one before',
    file: 'memory-node/applier.ts',
    from: "if (did === 'other') this.#incarnation = undefined;",
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
    name: 'a thread that died is not replaced',
    file: 'host/update-thread.ts',
    from: "    this.#options.log?.warn({ err: cause }, 'the thread that writes row updates died; starting another');\n    setTimeout(() => this.#restart(), workerRestartMsMin).unref();",
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
