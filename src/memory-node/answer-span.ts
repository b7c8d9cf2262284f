import { FlexemrError } from '../errors.ts';
import { ANSWER_KEYS, ANSWER_SEGMENTS } from '../kernel/answer-layout.ts';
import { traceAt } from '../wire/frame-trace.ts';
import type { WireError } from '../wire/reply.ts';
import type { Span, Tracer } from '../wire/trace.ts';
import type { ServedArena } from './served-arena.ts';

/** The span of one subrequest at a node, from its admission to its reply, if its frame carries a trace context. */
export class AnswerSpan {
  readonly #tracer: Tracer;
  readonly #node: string;
  readonly #since = performance.now();
  #span: Span | undefined;

  constructor(tracer: Tracer, node: string) {
    this.#tracer = tracer;
    this.#node = node;
  }

  /** Begins it, now that the frame was read. @param opened has read it @param head address of its header */
  begin(opened: ServedArena, head: number): void {
    const parent = traceAt(opened.arena.words, head >>> 2);
    if (parent === undefined) return;
    const [keys, segments] = [opened.at(ANSWER_KEYS), opened.at(ANSWER_SEGMENTS)];
    const attributes = { 'flexemr.node': this.#node, 'flexemr.keys': keys, 'flexemr.segments': segments };
    this.#span = this.#tracer.start('answer', parent, { kind: 'server', attributes, since: this.#since });
  }

  /** @param error why there is no answer */
  end(error?: WireError): void {
    this.#span?.end(error && new FlexemrError(error.code, `answered with ${error.code}`, error));
    this.#span = undefined;
  }
}
