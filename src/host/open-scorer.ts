import * as v from 'valibot';
import { checkFields, filePath, given, integer, numberWhere, options as optionsOf } from '../check.ts';
import { FlexemrError } from '../errors.ts';
import { describeModel } from '../model/describe-model.ts';
import type { Model } from '../model/model.ts';
import { modelLabel } from '../model/model-json.ts';
import { planModel } from '../model/model-plan.ts';
import type { VectorSource } from '../scorer/batch-run.ts';
import type { ScorerObserver } from '../scorer/observer.ts';
import { Scorer } from '../scorer/scorer.ts';
import {
  batchCandidatesDefault,
  batchDelayMsMax,
  candidatesMax,
  denseThreadsMax,
  networksMax,
  queueCandidatesDefault,
  queueCandidatesMax,
} from '../scoring-limits.ts';
import { loadTracer } from '../telemetry/open-telemetry.ts';
import type { Tracer } from '../wire/trace.ts';
import { controlCache } from './control-cache.ts';
import { DenseThreads } from './dense-threads.ts';
import { readModel } from './model-file.ts';

export interface OpenScorerOptions {
  /** Where pooled vectors come from: a `Ranker`, or `Tables` in this process. It stays open when the scorer closes. */
  readonly source: VectorSource;
  /** The model: the path of a model.json, or what is in one. */
  readonly model?: string | Model | undefined;
  /** The name of the model, instead of the one that it has. Default: `model`. */
  readonly name?: string | undefined;
  /**
   * Instead of a model: its networks, ONNX files in the order in which they run. Their inputs and outputs then say what
   * the model is (`describeModel`).
   */
  readonly dense?: string | readonly string[] | undefined;
  /** Threads that run the networks; default 1. */
  readonly denseThreads?: number | undefined;
  /** Most candidates of a batch; default 128. A request that has more is a batch of its own. */
  readonly batchCandidates?: number | undefined;
  /** Longest time in ms that a request waits for others; default 0. */
  readonly batchDelay?: number | undefined;
  /** Most candidates in the queue; default 4096. */
  readonly queueCandidates?: number | undefined;
}

/** What only this package gives to a scorer. */
export interface ScorerSeams {
  readonly tracer?: Tracer | undefined;
  readonly observer?: ScorerObserver | undefined;
  /** Hears why an adaptive cache could not get another size. */
  readonly onCacheError?: ((error: Error) => void) | undefined;
}

const isSource = (value: unknown): boolean =>
  typeof (value as Partial<VectorSource> | null)?.lookup === 'function' &&
  Array.isArray((value as Partial<VectorSource>).specs);
const isDelay = (ms: number): boolean => ms >= 0 && ms <= batchDelayMsMax;

/** @internal */
export const scorerFields = {
  source: v.pipe(
    given<VectorSource>('a Ranker or Tables'),
    v.custom<VectorSource>(isSource, 'a Ranker or Tables'),
  ),
  model: v.optional(
    v.custom<string | Model>(
      (value) => (typeof value === 'object' && value !== null) || v.is(filePath, value),
      'the path of a model.json, or a model',
    ),
  ),
  dense: v.optional(v.union([filePath, v.pipe(v.array(filePath), v.minLength(1), v.maxLength(networksMax))])),
  name: v.optional(modelLabel),
  denseThreads: v.optional(integer(1, denseThreadsMax)),
  batchCandidates: v.optional(integer(1, candidatesMax)),
  batchDelay: v.optional(numberWhere(isDelay, `milliseconds, from 0 to ${batchDelayMsMax}`)),
  queueCandidates: v.optional(integer(1, queueCandidatesMax)),
};
const scorerOptions = optionsOf(scorerFields);

/**
 * Opens a scorer: a bounded queue, batches, a lookup for each, and networks in threads of their own.
 * @throws INVALID_OPTION, INVALID_FILE, MISSING_DEPENDENCY, WORKER_FAILED
 */
export async function openScorer(options: OpenScorerOptions): Promise<Scorer> {
  const checked = checkFields(scorerOptions, options);
  return (await openParts(checked, { tracer: await loadTracer() })).scorer;
}

/**
 * Opens a scorer, and returns the threads of its networks too.
 * @param options already checked @throws as openScorer
 */
export async function openParts(
  { source, model, dense, denseThreads = 1, ...more }: OpenScorerOptions,
  { tracer, observer, onCacheError = () => {} }: ScorerSeams,
): Promise<{ readonly scorer: Scorer; readonly threads: DenseThreads }> {
  const read = model === undefined ? undefined : await readModel(model);
  if ((read === undefined) === (dense === undefined)) {
    const message = 'give either model, or dense with the networks of the model';
    throw new FlexemrError('INVALID_OPTION', message, { field: 'model', value: model });
  }
  const files = read?.networks.map(({ file }) => file) ?? [dense ?? []].flat();
  const threads = await DenseThreads.open(files, denseThreads);
  try {
    const described = read ?? describeModel(threads.networks, source.specs, 'model');
    const known = { ...described, name: more.name ?? described.name };
    const plan = planModel(known, threads.networks, source.specs);
    const batching = {
      batchCandidates: more.batchCandidates ?? batchCandidatesDefault,
      batchDelay: more.batchDelay ?? 0,
      queueCandidates: more.queueCandidates ?? queueCandidatesDefault,
    };
    const context = { source, dense: threads, plan, tracer, observer };
    const controller = await controlCache(context, threads, batching.batchCandidates, onCacheError);
    return { scorer: new Scorer({ ...context, batching, controller }), threads };
  } catch (error) {
    await threads.close();
    throw error;
  }
}

/**
 * What `openScorer` takes these networks for: the contents of a model.json to edit. Paths stay as they are given.
 * @throws INVALID_FILE, MISSING_DEPENDENCY
 */
export async function describeFiles(
  files: readonly string[],
  specs: VectorSource['specs'],
  name: string,
): Promise<Model> {
  const threads = await DenseThreads.open(files, 1);
  await threads.close();
  return describeModel(threads.networks, specs, name);
}
