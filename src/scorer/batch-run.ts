// Scores one batch: a lookup, and every network as soon as its inputs are there.
import { FlexemrError } from '../errors.ts';
import type { Lookup } from '../lookup/pooled.ts';
import type { ModelPlan, PlannedNetwork, PlannedOutput } from '../model/model-plan.ts';
import type { NetworkInfo, Tensors } from '../model/tensor.ts';
import type { KeyedBags } from '../plan/bags.ts';
import type { TableSpec } from '../plan/table-spec.ts';
import type { Span, TraceContext, Tracer } from '../wire/trace.ts';
import { type Made, type NetworkRows, networkCounts, networkInputs, perCandidate } from './network-inputs.ts';
import type { ScorerObserver } from './observer.ts';
import type { FeatureRows, ScoreBatch } from './score-batch.ts';

/** Where pooled vectors come from. `Ranker` and `Tables` implement it. */
export interface VectorSource {
  readonly specs: readonly TableSpec[];
  lookup(bags: KeyedBags, options?: VectorOptions): Promise<Lookup>;
}

export interface VectorOptions {
  readonly deadline?: number | undefined;
  readonly trace?: TraceContext | undefined;
}

/** Runs the networks of a model. */
export interface DenseRunner {
  /** The package that runs them. */
  readonly runtime: string;
  readonly networks: readonly NetworkInfo[];
  /** How many batches it runs at the same time. */
  readonly threads: number;
  /** Runs a network. The caller gives the memory of the inputs away. @throws INVALID_FILE, WORKER_FAILED */
  run(network: number, inputs: Tensors): Promise<Tensors>;
  close(): Promise<void>;
}

/** What a batch is scored with. */
export interface BatchContext {
  readonly source: VectorSource;
  readonly dense: DenseRunner;
  readonly plan: ModelPlan;
  readonly tracer: Tracer | undefined;
  readonly observer: ScorerObserver | undefined;
}

/** One batch under way. */
export class BatchRun {
  readonly #batch: ScoreBatch;
  readonly #context: BatchContext;
  readonly #span: Span | undefined;
  #lookup: Lookup | undefined;

  /** @param span of the batch */
  constructor(batch: ScoreBatch, context: BatchContext, span: Span | undefined) {
    this.#batch = batch;
    this.#context = context;
    this.#span = span;
  }

  /** The outputs of the model: f32 [candidates of the batch] or [candidates of the batch, width]. */
  async outputs(deadlineMs: number): Promise<Record<string, Float32Array>> {
    const { networks, outputs, features } = this.#context.plan;
    const lookup = features.length === 0 ? undefined : this.#timed('lookup', this.#lookUp(deadlineMs));
    // If it fails while a network still runs, nobody else handles the rejection yet.
    lookup?.catch(() => {});
    const running: Promise<NetworkRows>[] = [];
    for (const at of networks.keys()) running.push(this.#network(at, lookup, running));
    try {
      const ran = await Promise.all(running);
      await lookup;
      return Object.fromEntries(outputs.map((output) => [output.name, this.#output(output, ran)]));
    } finally {
      await Promise.allSettled([...running, lookup]);
      this.#lookup?.[Symbol.dispose]();
    }
  }

  /** A ranker makes a span of its own. */
  async #lookUp(deadline: number): Promise<void> {
    const trace = this.#span?.context;
    this.#lookup = await this.#context.source.lookup(this.#batch.bags(), { deadline, trace });
  }

  async #network(
    at: number,
    lookup: Promise<void> | undefined,
    running: readonly Promise<NetworkRows>[],
  ): Promise<NetworkRows> {
    const network = this.#context.plan.networks[at];
    const before = new Map<number, NetworkRows>();
    for (const earlier of earlierOf(network)) before.set(earlier, await running[earlier]);
    if (network.usesLookup) await lookup;
    const made: Made = {
      features: (feature) => this.#feature(feature),
      networks: (earlier) => before.get(earlier) as NetworkRows,
    };
    const counts = networkCounts(network, this.#batch, made);
    const inputs = networkInputs(network, counts, this.#batch, made);
    const span = this.#context.tracer?.start(network.name, this.#span?.context);
    try {
      const outputs = await this.#timed(network.name, this.#context.dense.run(at, inputs));
      span?.end();
      return { counts, outputs };
    } catch (error) {
      span?.end(error as Error);
      throw error;
    }
  }

  readonly #features: FeatureRows[] = [];

  #feature(feature: number): FeatureRows {
    this.#features[feature] ??= this.#batch.featureRows(feature, this.#lookup as Lookup);
    return this.#features[feature];
  }

  #output(
    { name, network, output, sigmoid, width }: PlannedOutput,
    ran: readonly NetworkRows[],
  ): Float32Array {
    const { counts, outputs } = ran[network];
    const rows = counts.reduce((sum, count) => sum + count, 0);
    const { type, data } = outputs[output];
    if (type !== 'float32' || data.length !== rows * width) {
      const message = `output ${name} of the network has ${data.length} values of ${type} for ${rows} rows, but must have ${width} float32 for each`;
      throw new FlexemrError('INVALID_FILE', message, { field: 'dense', value: name });
    }
    const values = perCandidate(ran[network], output, width, this.#batch);
    return sigmoid ? values.map((value) => 1 / (1 + Math.exp(-value))) : values;
  }

  /** Reports the time that a stage takes, if it succeeds. */
  async #timed<T>(stage: string, work: Promise<T>): Promise<T> {
    const began = performance.now();
    const done = await work;
    this.#context.observer?.stage(stage, performance.now() - began);
    return done;
  }
}

function earlierOf({ inputs }: PlannedNetwork): number[] {
  return [...new Set(inputs.flatMap((input) => (input.kind === 'output' ? [input.network] : [])))];
}
