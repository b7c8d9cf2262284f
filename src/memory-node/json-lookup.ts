// Answers a lookup in JSON: ask, answer, merge, as a ranker does it, but what other nodes hold is left out.
import { FlexemrError } from '../errors.ts';
import * as layout from '../kernel/ask-layout.ts';
import { jsonBagsMax, jsonResultBytesMax, jsonWorkspaceBytesMax } from '../limits.ts';
import type { AskedLookup } from '../lookup/asked.ts';
import { ReplyMerge } from '../lookup/merged.ts';
import { errorOf } from '../lookup/node-error.ts';
import { PooledLookup } from '../lookup/pooled.ts';
import { Workspace } from '../lookup/workspace.ts';
import { writeIdentity } from '../wire/frame-identity.ts';
import type { Handler, Inbox } from '../wire/handler.ts';
import * as wire from '../wire/layout.ts';
import { Reply } from '../wire/reply.ts';
import type { Slices } from '../wire/slices.ts';
import type { Span, TraceContext, Tracer } from '../wire/trace.ts';
import type { Hosting } from './hosting.ts';
import { jsonAnswer, listedOf } from './json-answer.ts';
import { checkCount, requestOf } from './json-body.ts';
import { OwnTables, thisNode } from './own-tables.ts';

const identity = { id: 0, version: wire.wireVersion, checksum: false };

/** The lookups in JSON of a node. */
export class JsonLookups {
  readonly #handler: Handler;
  readonly #planWords: Uint32Array;
  readonly #workspace: Workspace;
  readonly #tables: OwnTables;
  readonly #tracer: Tracer | undefined;
  readonly #node: string;

  constructor(handler: Handler, hosting: Hosting, tracer: Tracer | undefined) {
    this.#handler = handler;
    this.#tracer = tracer;
    this.#node = hosting.description.node;
    this.#planWords = new Uint32Array(BigUint64Array.of(hosting.plan).buffer);
    this.#workspace = new Workspace({ module: hosting.module, shared: true }, jsonWorkspaceBytesMax);
    this.#tables = new OwnTables(hosting, handler.describe().limits, this.#workspace);
  }

  /**
   * Answers every bag of a lookup (docs/openapi.json) from the shards that this node holds, in slices.
   * @param trace of its sender
   * @throws INVALID_BAGS, INVALID_OPTION, UNKNOWN_TABLE, INVALID_KEY, INVALID_OFFSETS, INVALID_WEIGHTS,
   *   LIMIT_EXCEEDED, OVERLOADED, UNAVAILABLE, DEADLINE_EXCEEDED, OUT_OF_MEMORY
   */
  async lookUp(body: unknown, slices: Slices, trace: TraceContext | undefined): Promise<object> {
    const span = trace && this.#tracer && begun(this.#tracer, trace, this.#node);
    try {
      const answer = await this.#lookUp(body, slices, span);
      span?.end();
      return answer;
    } catch (error) {
      span?.end(error as Error);
      throw error;
    }
  }

  async #lookUp(body: unknown, slices: Slices, span: Span | undefined): Promise<object> {
    const { bags, onMissing } = await requestOf(body, this.#tables, slices);
    // Bags that are equal have results of their own in the answer, so they are not sought.
    const options = { onMissing, pushDown: 'always', deduplicateBags: false, splitKeys: 0 } as const;
    const asked = this.#workspace.ask(bags, options, this.#tables);
    try {
      checkCount('bags', sumOf(asked, layout.FEATURE_BAGS), jsonBagsMax);
      while (!asked.prepare()) await slices.pause();
      checkSize(asked, this.#tables);
      span?.set('flexemr.keys', sumOf(asked, layout.FEATURE_KEYS_GIVEN));
      const replies: (Reply | undefined)[] = [];
      for (let frame = 0; frame < asked.frames; frame++) replies.push(await this.#answer(asked, frame));
      using merged = await this.#merged(asked, replies, slices);
      return await jsonAnswer({ asked, replies, merged, tables: this.#tables }, slices);
    } finally {
      asked.close();
    }
  }

  /** The reply of this node to a frame; undefined if the frame is for other nodes. */
  async #answer(asked: AskedLookup, frame: number): Promise<Reply | undefined> {
    if (asked.sent(frame, layout.SENT_NODE) !== thisNode) return undefined;
    const { words, bytes } = asked.memory;
    const [address, length] = [layout.SENT_ADDRESS, layout.SENT_BYTES].map((field) =>
      asked.sent(frame, field),
    );
    writeIdentity(words, address >>> 2, identity);
    words.set(this.#planWords, (address + wire.SUBREQUEST_PLAN) >>> 2);
    words[(address + wire.SUBREQUEST_REPLY_CREDITS) >>> 2] = 1;
    const reply = await this.#send(bytes.subarray(address, address + length));
    if (reply.error === undefined) return reply;
    throw errorOf(asked, asked.segmentsOf(frame)[reply.error.segment ?? 0], reply.error);
  }

  async #send(frame: Uint8Array): Promise<Reply> {
    const inbox = this.#handler.admit(frame.length);
    if ('code' in inbox) return new Reply(this.#handler.refuse(identity, inbox));
    try {
      inbox.frame.set(frame);
      return await answerOf(inbox);
    } finally {
      inbox.release();
    }
  }

  /** What the replies say of keys that were not simply pooled, in the order of the keys. */
  async #merged(
    asked: AskedLookup,
    replies: readonly (Reply | undefined)[],
    slices: Slices,
  ): Promise<PooledLookup> {
    const { pool, mergeRoom } = this.#workspace;
    const merge = new ReplyMerge(asked, replies, mergeRoom);
    try {
      while (!merge.step()) await slices.pause();
      return new PooledLookup(asked.names, { results: merge.results(pool), pool }, replies);
    } finally {
      merge.close();
    }
  }
}

function begun(tracer: Tracer, trace: TraceContext, node: string): Span {
  return tracer.start('answer', trace, { kind: 'server', attributes: { 'flexemr.node': node } });
}

/** The reply, copied to memory of its own. */
function answerOf(inbox: Inbox): Promise<Reply> {
  return new Promise((resolve) => inbox.answer((reply) => resolve(new Reply(Uint8Array.from(reply)))));
}

function sumOf(asked: AskedLookup, field: number): number {
  return asked.tables.reduce((sum, _, feature) => sum + asked.feature(feature, field), 0);
}

/** @throws LIMIT_EXCEEDED */
function checkSize(asked: AskedLookup, tables: OwnTables): void {
  let bytes = 0;
  for (let segment = 0; segment < asked.segments; segment++) {
    if (tables.shard(asked.shardOf(segment)) !== undefined)
      bytes += listedOf(asked, segment) * asked.tableOf(segment).spec.dim * 4;
  }
  if (bytes <= jsonResultBytesMax) return;
  const message = `the answer has ${bytes} bytes of vectors, but JSON can carry at most ${jsonResultBytesMax}; split the lookup, or send frames`;
  throw new FlexemrError('LIMIT_EXCEEDED', message, { field: 'bags', value: bytes });
}
