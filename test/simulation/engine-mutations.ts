// Faults in the code of engines, one at a time.
import type { Mutation } from './mutations.ts';

export const engineMutations: readonly Mutation[] = [
  {
    name: 'a move closes the old connection before its replies have come',
    file: 'engine/partitioned-transport.ts',
    from: 'if (this.#own?.isIdle) this.#closeUnowned();',
    to: 'this.#closeUnowned();',
  },
  {
    name: 'after a move, the old connection stays',
    file: 'engine/engine-team.ts',
    from: 'if (from !== to) await this.links[from].control.leave(connection);',
    to: '',
  },
  {
    name: 'a slot is free again before its record was taken',
    file: 'engine/borrowed.ts',
    from: '- taken) | 0) <= 0) count++;',
    to: '- taken) | 0) <= 1) count++;',
  },
  {
    name: 'bags keep their slot when their lookup has ended',
    file: 'engine/engine-link.ts',
    from: 'this.#slots.free(waiting.address, waiting.bytes);',
    to: '',
  },
  {
    name: 'results that nobody uses any more keep their slot',
    file: 'engine/engine.ts',
    from: 'else if (kind === releaseRecord) this.#results.giveBack(address, bytes);',
    to: '',
  },
  {
    name: 'a subrequest that fails keeps its place in its connection',
    file: 'engine/gated-session.ts',
    from: 'exchange.reply.then(ended, ended);',
    to: 'exchange.reply.then(ended, () => {});',
  },
  {
    name: 'an engine does not wake the other one that it asks',
    file: 'engine/peers.ts',
    from: '    peer.bell.ringSoon();\n',
    to: '',
  },
  {
    name: 'a record is written into a full ring',
    file: 'engine/ring.ts',
    from: 'if (this.isFull) return false;',
    to: '',
  },
  {
    name: 'a reply of another engine goes to the subrequest that has waited longest',
    file: 'engine/peers.ts',
    from: 'const asked = this.#asked.get(id);\n    if (asked === undefined) return;',
    to: 'const [asked] = this.#asked.values();\n    if (asked === undefined) return;',
  },
  {
    name: 'a cancelled subrequest of another engine is never said to be gone',
    file: 'engine/peers.ts',
    from: 'void exchange?.cancel().then(() => this.#sure(peer, goneRecord, id));',
    to: 'void exchange?.cancel();',
  },
  {
    name: 'a subrequest fails if the owner of its connection does not know the worker',
    file: 'engine/peers.ts',
    from: 'this.#sure(peer, unknownRecord, id);',
    to: 'this.#fail(peer, id, unsent());',
  },
  {
    name: 'a connection is closed that other engines still use',
    file: 'engine/partitioned-transport.ts',
    from: 'this.#onClose();\n    this.leave();',
    to: 'this.#onClose();\n    void this.#own?.close();',
  },
  {
    name: 'lookups of an engine that is stuck wait for it',
    file: 'engine/engine-team.ts',
    from: 'for (const link of this.links) link.expire(before);',
    to: 'void before;',
  },
  {
    name: 'lookups of an engine that has ended never end',
    file: 'engine/engine-team.ts',
    from: "link.lost(new FlexemrError('WORKER_FAILED', message, { field: 'engines', cause }));",
    to: 'void message;',
  },
  {
    name: 'an engine that ends while the others start is taken for one that runs',
    file: 'engine/engine-team.ts',
    from: "failed?.status === 'rejected' || ended !== undefined",
    to: "failed?.status === 'rejected'",
  },
  {
    name: 'engines that start again wait for nodes that are away',
    file: 'engine/engine-ranker.ts',
    from: 'awaitNodes: this.#ended.length === 0,',
    to: 'awaitNodes: true,',
  },
];
