import * as v from 'valibot';
import { checkFields, filePath, given, integer, numberWhere, options as optionsOf } from '../check.ts';
import {
  batchCandidatesDefault,
  batchDelayMsMax,
  candidatesMax,
  denseThreadsMax,
  queueCandidatesDefault,
  queueCandidatesMax,
} from '../limits.ts';
import { commonDim } from '../scorer/common-dim.ts';
import { Scorer, type VectorSource } from '../scorer/scorer.ts';
import { DenseThreads } from './dense-threads.ts';

export interface OpenScorerOptions {
  /** Where pooled vectors come from: a `Ranker`, or `Tables` in this process. It stays open when the scorer closes. */
  readonly source: VectorSource;
  /** The dense network, an ONNX file with inputs `dense` and `pooled` and output `logit`. */
  readonly dense: string;
  /** Threads that run the dense network; default 1. */
  readonly denseThreads?: number | undefined;
  /** Most candidates of a batch; default 128. A request that has more is a batch of its own. */
  readonly batchCandidates?: number | undefined;
  /** Longest time in ms that a request waits for others; default 0. */
  readonly batchDelay?: number | undefined;
  /** Most candidates in the queue; default 4096. */
  readonly queueCandidates?: number | undefined;
}

const isSource = (value: unknown): boolean =>
  typeof (value as Partial<VectorSource> | null)?.lookup === 'function' &&
  Array.isArray((value as Partial<VectorSource>).specs);
const isDelay = (ms: number): boolean => ms >= 0 && ms <= batchDelayMsMax;

const scorerOptions = optionsOf({
  source: v.pipe(
    given<VectorSource>('a Ranker or Tables'),
    v.custom<VectorSource>(isSource, 'a Ranker or Tables'),
  ),
  dense: filePath,
  denseThreads: v.optional(integer(1, denseThreadsMax)),
  batchCandidates: v.optional(integer(1, candidatesMax)),
  batchDelay: v.optional(numberWhere(isDelay, `milliseconds, from 0 to ${batchDelayMsMax}`)),
  queueCandidates: v.optional(integer(1, queueCandidatesMax)),
});

/**
 * Opens a scorer: a bounded queue, batches, a lookup for each, and a dense network in threads of its own.
 * @throws INVALID_OPTION, INVALID_TABLE, INVALID_FILE, MISSING_DEPENDENCY, WORKER_FAILED
 */
export async function openScorer(options: OpenScorerOptions): Promise<Scorer> {
  const { source, dense, denseThreads = 1, ...more } = checkFields(scorerOptions, options);
  commonDim(source.specs);
  return new Scorer(source, await DenseThreads.open(dense, denseThreads), {
    batchCandidates: more.batchCandidates ?? batchCandidatesDefault,
    batchDelay: more.batchDelay ?? 0,
    queueCandidates: more.queueCandidates ?? queueCandidatesDefault,
  });
}
