// Faults in production code, one at a time. The simulation must find each of them.
import { changeMutations } from './change-mutations.ts';
import { engineMutations } from './engine-mutations.ts';
import { updateMutations } from './update-mutations.ts';

export interface Mutation {
  readonly name: string;
  /** In src/. */
  readonly file: string;
  /** Text that occurs once in the file, and what replaces it. */
  readonly from: string;
  readonly to: string;
  /** Only clusters that change are simulated, or only those whose rows do. */
  readonly only?: 'changes' | 'updates';
}

export const mutations: readonly Mutation[] = [
  {
    name: 'a credit is returned twice after a cancel',
    file: 'ranker/node-client.ts',
    from: 'else void late.then(() => this.#giveBack(lane, credit));',
    to: 'else void late.then(() => (this.#giveBack(lane, credit), this.#giveBack(lane)));',
  },
  {
    name: 'a credit is not returned after a cancel',
    file: 'ranker/node-client.ts',
    from: 'else void late.then(() => this.#giveBack(lane, credit));',
    to: '',
  },
  {
    name: 'a credit is returned before the worker is done with what was cancelled',
    file: 'ranker/node-client.ts',
    from: 'if (late === undefined) this.#giveBack(lane, credit);',
    to: 'if (lane) this.#giveBack(lane, credit);',
  },
  {
    name: 'a lookup that ends while it waits for a credit keeps its place in the queue',
    file: 'ranker/node-client.ts',
    from: '      this.#waiting.delete(resolve);\n      resolve(undefined);',
    to: '      resolve(undefined);',
  },
  {
    name: 'a returned credit wakes nobody',
    file: 'ranker/node-client.ts',
    from: 'lane.outstanding--;\n    this.#grant();',
    to: 'lane.outstanding--;',
  },
  {
    name: 'a session has one credit too many',
    file: 'ranker/node-client.ts',
    from: 'if (lane.outstanding >= lane.window.size) continue;',
    to: 'if (lane.outstanding > lane.window.size) continue;',
  },
  {
    name: 'a window never shrinks',
    file: 'ranker/session-window.ts',
    from: 'this.#size = Math.max(1, this.#size * (1 - Math.min(windowDecreaseMax, share)));',
    to: '',
  },
  {
    name: 'a window never grows again',
    file: 'ranker/session-window.ts',
    from: 'this.#size = Math.min(sessionWindow, grown);',
    to: '',
  },
  {
    name: 'the increase of a window has no bound',
    file: 'ranker/session-window.ts',
    from: 'this.#size = Math.min(sessionWindow, grown);',
    to: 'this.#size = grown;',
  },
  {
    name: 'a probe of the round trip never ends',
    file: 'ranker/session-window.ts',
    from: 'this.#probing = false;\n    this.#decide();',
    to: 'this.#decide();',
  },
  {
    name: 'a reply goes to the subrequest that has waited longest',
    file: 'transport/stream-connection.ts',
    from: 'const waiting = this.#waiting.get(id);\n    this.#waiting.delete(id);',
    to: 'const [waiting] = this.#waiting.values();\n    this.#waiting.delete(id);',
  },
  {
    name: 'a lost connection does not tell those who wait for replies',
    file: 'transport/stream-connection.ts',
    from: 'for (const { reject } of this.#waiting.values()) reject(this.#error);',
    to: '',
  },
  {
    name: 'frames are written over frames that the socket has not taken',
    file: 'transport/stream-connection.ts',
    from: 'if (this.#socket.writableLength > 0) this.#send',
    to: 'if (this.#socket.writableLength < 0) this.#send',
  },
  {
    name: 'a session keeps its lost connection',
    file: 'transport/stream.ts',
    from: 'if (connection !== undefined && connection.error === undefined) return connection;',
    to: 'if (connection !== undefined) return connection;',
  },
  {
    name: 'a header in two pieces loses the first one',
    file: 'transport/frame-reader.ts',
    from: 'this.#header.set(chunk.subarray(at, at + count), this.#headerFilled);',
    to: 'this.#header.set(chunk.subarray(at, at + count), 0);',
  },
  {
    name: 'a frame in three pieces loses the second one',
    file: 'transport/served-stream.ts',
    from: 'inbox.frame.set(chunk.subarray(at, at + count), this.#filled);',
    to: 'inbox.frame.set(chunk.subarray(at, at + count), HEADER_BYTES);',
  },
  {
    name: 'the rest of a refused frame is read as the next frame',
    file: 'transport/served-stream.ts',
    from: 'this.#skip = Math.max(0, bytes - HEADER_BYTES);',
    to: '',
  },
  {
    name: 'subrequests of a broken connection keep their slots',
    file: 'transport/served-stream.ts',
    from: 'for (const inbox of this.#open) inbox.release();',
    to: '',
  },
  {
    name: 'a frame that a broken connection has not brought whole keeps its slot',
    file: 'transport/served-stream.ts',
    from: '      this.#inbox?.release();\n      for',
    to: '      for',
  },
  {
    name: 'an answer keeps its slot',
    file: 'memory-node/held-subrequest.ts',
    from: 'this.work?.close();',
    to: '',
  },
  {
    name: 'a complete subrequest keeps its place',
    file: 'memory-node/memory-node.ts',
    from: 'if (whole) this.#places.give();',
    to: 'if (whole) return;',
  },
  {
    name: 'a wait before a retry does not end with its lookup',
    file: 'ranker/deadline.ts',
    from: 'const undo = this.during(resolve);',
    to: 'const undo = (): void => {};',
  },
  {
    name: 'the timer of a deadline is not cleared',
    file: 'ranker/deadline.ts',
    from: '    clearTimeout(this.#timer);\n    this.#signal',
    to: '    this.#signal',
  },
  {
    name: 'a lookup keeps listening to the signal of its caller',
    file: 'ranker/deadline.ts',
    from: "this.#signal?.removeEventListener('abort', this.#aborted);",
    to: '',
  },
  {
    name: 'a wait ignores that the lookup has ended',
    file: 'ranker/ending.ts',
    from: '      const end = (): void => {\n        onEnd?.();\n        reject(this.over);',
    to: '      const end = (): void => {\n        onEnd?.();',
  },
  {
    name: 'after a wait, a cancelled lookup goes on',
    file: 'ranker/fan-out.ts',
    from: '    if (isByCaller(deadline.over)) subrequest.error = deadline.over;\n    if (deadline.over) return;',
    to: '',
  },
  {
    name: 'nothing is tried again',
    file: 'ranker/fan-out.ts',
    from: '!transient.includes(error.code)) return;',
    to: 'error) return;',
  },
  {
    name: 'the attempt that another one has beaten is not cancelled',
    file: 'ranker/race.ts',
    from: 'for (let i = running.length - 1; i >= 0; i--) running[i].end(unwanted());',
    to: '',
  },
  {
    name: 'late subrequests are sent to a second node without a budget',
    file: 'ranker/race.ts',
    from: 'this.#to.hedges?.spend()',
    to: 'this.#to.hedges',
  },
  {
    name: 'a switch to another replica needs the budget for retries',
    file: 'ranker/fan-out.ts',
    from: 'isOfNode(error) ? set.fresh(tried) : undefined',
    to: 'isOfNode(error) && budget.spend() ? set.fresh(tried) : undefined',
  },
  {
    name: 'a lookup that was cancelled is answered in part',
    file: 'ranker/failures.ts',
    from: "  'DEADLINE_EXCEEDED',\n",
    to: "  'DEADLINE_EXCEEDED',\n  'CANCELLED',\n",
  },
  {
    name: 'only the bags of the first failed subrequest are marked',
    file: 'ranker/failures.ts',
    from: 'if (reply !== undefined) continue;',
    to: 'if (reply !== undefined || lacking.size > 0) continue;',
  },
  {
    name: 'replies are merged in the order of their lengths',
    file: 'ranker/lookup.ts',
    from: 'const replies = subrequests.map(({ reply }) => reply);',
    to: 'const replies = subrequests.map(({ reply }) => reply).sort((a, b) => Number(a?.bytes.length) - Number(b?.bytes.length));',
  },
  {
    name: 'the memory of a merge is not freed',
    file: 'ranker/lookup.ts',
    from: 'merge.close();',
    to: '',
  },
  {
    name: 'replies are released although results are in them',
    file: 'ranker/lookup.ts',
    from: 'if (reply?.viewed) return reply;',
    to: 'if (reply?.viewed) reply.release();\n        if (reply?.viewed) return reply;',
  },
  {
    name: 'a routing table is freed while lookups use it',
    file: 'ranker/route.ts',
    from: 'if (!this.#retired || this.#lookups > 0) return;',
    to: 'if (!this.#retired || this.#lookups < 0) return;',
  },
  {
    name: 'an old routing table is never freed',
    file: 'ranker/route.ts',
    from: 'this.written?.free();',
    to: '',
  },
  {
    name: 'a client is closed while a lookup may still send with it',
    file: 'ranker/inline-ranker.ts',
    from: 'this.#replaced.add(before, () => this.#route, this.#tellPlan);',
    to: 'before.retire();\n      for (const node of before.nodes.values()) if (!this.#route.uses(node)) void node.retire();',
  },
  {
    name: 'the memory of a cache of an earlier size keeps its routing table',
    file: 'ranker/inline-ranker.ts',
    from: 'this.#replaced.add(route, () => this.#route, onUnused);',
    to: 'void route;',
  },
  {
    name: 'a cache keeps the bags of a table that is cut at other rows',
    file: 'ranker/cached-tables.ts',
    from: 'return isIdentified(one) && bagMeaning(one) === bagMeaning(other);',
    to: 'return isIdentified(one) && isIdentified(other);',
  },
  {
    name: 'a cache of another size takes the numbers of another routing table',
    file: 'ranker/inline-ranker.ts',
    from: 'const { routing, cached } = before;',
    to: 'const { routing } = before;\n    const cached = now;',
  },
  {
    name: 'a lookup that is tried again uses the old routing table',
    file: 'ranker/inline-ranker.ts',
    from: 'const found = await lookUp(request, changed, this.#context);',
    to: 'const found = await lookUp(request, route, this.#context);',
  },
  {
    name: 'a client is closed although an older routing table still uses it',
    file: 'ranker/replaced-routes.ts',
    from: 'const used = [current(), ...this.#routes];',
    to: 'const used = [current()];',
  },
  {
    name: 'the grant of a reply is lost',
    file: 'transport/stream-connection.ts',
    from: 'this.#credits?.send(id, CREDIT_GRANT);',
    to: '',
  },
  {
    name: 'a reply that waits is not dropped after a cancel',
    file: 'transport/stream-connection.ts',
    from: 'if (held) this.#credits?.send(id, CREDIT_DROP);',
    to: '',
  },
  {
    name: 'the credit of a reply is given back twice',
    file: 'ranker/reply-budget.ts',
    from: '      this.#taken = false;\n      this.#budget.give(this);',
    to: '      this.#taken = false;\n      this.#budget.give(this);\n      this.#budget.give(this);',
  },
  {
    name: 'the credit of a reply is not given back',
    file: 'ranker/node-client.ts',
    from: 'credit?.end();',
    to: '',
  },
  {
    name: 'more replies are granted than there is memory for',
    file: 'ranker/reply-budget.ts',
    from: 'return this.#taken + bytes + reserved <= this.bytes;',
    to: 'return this.#taken + reserved <= this.bytes;',
  },
  {
    name: 'memory that is free again is given to no reply that waits',
    file: 'ranker/reply-budget.ts',
    from: 'node.taken -= bytes;\n    this.#giveAll();',
    to: 'node.taken -= bytes;',
  },
  {
    name: 'a reply that waits is sent without a grant',
    file: 'transport/held-replies.ts',
    from: 'if (held.granted || reply.length <= HEADER_BYTES)',
    to: 'if (reply.length >= HEADER_BYTES)',
  },
  {
    name: 'a credit that overtakes its subrequest is forgotten',
    file: 'transport/held-replies.ts',
    from: 'this.#early.set(id, verb);',
    to: '',
  },
  {
    name: 'a reply that was dropped keeps the timer of its wait',
    file: 'transport/held-replies.ts',
    from: '    clearTimeout(timer);\n    this.#held.delete(id);',
    to: '    this.#held.delete(id);\n    void timer;',
  },
  {
    name: 'a reply that was dropped keeps its slot',
    file: 'transport/served-stream.ts',
    from: '    inbox.release();\n    this.#writer.write(this.#handler.refuse',
    to: '    this.#writer.write(this.#handler.refuse',
  },
  {
    name: 'a request that has ended ends again with its batch',
    file: 'scorer/score-task.ts',
    from: 'if (this.#ended) return false;',
    to: '',
  },
  {
    name: 'a request is lost when its batch fails',
    file: 'scorer/scorer.ts',
    from: 'for (const task of left) task.fail(error as Error);',
    to: '{}',
  },
  {
    name: 'a full queue takes requests',
    file: 'scorer/task-queue.ts',
    from: 'if (this.#candidates + candidates <= this.#candidatesMax) return undefined;',
    to: 'if (candidates <= this.#candidatesMax) return undefined;',
  },
  {
    name: 'requests of a batch get the scores of the first one',
    file: 'scorer/scorer.ts',
    from: 'first += candidates;',
    to: '',
  },
  {
    name: 'a closed scorer forgets what waits',
    file: 'scorer/scorer.ts',
    from: 'for (const task of this.#queue.clear()) task.fail(closed());',
    to: 'this.#queue.clear();',
  },
  ...engineMutations,
  ...changeMutations,
  ...updateMutations,
];
