import { FlexemrError } from '../errors.ts';
import { openScorer } from '../host/open-scorer.ts';
import { deadlineMsMax } from '../limits.ts';
import type { ModelSignature } from '../model/model.ts';
import type { Scorer } from '../scorer/scorer.ts';
import { SafetensorsFile } from '../store/safetensors.ts';
import { type TensorData, writeSafetensors } from '../store/safetensors-writer.ts';
import type { LookupOptions } from './lookup.ts';
import { Meter } from './meter.ts';
import { openSource } from './open.ts';
import type { ModelOptions } from './options.ts';
import { type LookupReport, reportOf } from './report.ts';
import { batches, openRequests, type RequestBags } from './requests.ts';

export type ScoreOptions = LookupOptions & ModelOptions;

export interface ScoreReport extends LookupReport {
  /** The package that ran the networks. */
  readonly runtime: string;
}

/** `flexemr score`: scores every request of a file, and writes each output of the model, f32 [requests]. */
export async function score(options: ScoreOptions): Promise<ScoreReport> {
  await using source = await openSource(options);
  const meter = new Meter(source);
  await using scorer = await openScorer({ source: meter, dense: options.dense, model: options.model });
  await using file = await SafetensorsFile.open(options.requests);
  const bags = await openRequests(file, scorer.signature.features.length);
  const started = performance.now();
  await writeSafetensors(options.out, await new FileScores(scorer, file, bags).read());
  return { ...reportOf(bags, meter, started, options.out), runtime: scorer.runtime };
}

/** The scores of all requests of a file. */
class FileScores {
  readonly #scorer: Scorer;
  readonly #signature: ModelSignature;
  readonly #file: SafetensorsFile;
  readonly #bags: readonly RequestBags[];
  readonly #outputs: readonly {
    readonly name: string;
    readonly width: number;
    readonly data: Float32Array;
  }[];

  constructor(scorer: Scorer, file: SafetensorsFile, bags: readonly RequestBags[]) {
    this.#scorer = scorer;
    this.#signature = scorer.signature;
    this.#file = file;
    this.#bags = bags;
    const requests = this.#requests;
    for (const { name, width } of this.#signature.dense) checkDense(file, name, [requests, width]);
    this.#outputs = this.#signature.outputs.map(({ name, width }) => {
      return { name, width, data: new Float32Array(requests * width) };
    });
  }

  get #requests(): number {
    return this.#bags[0]?.requests ?? 0;
  }

  /** @throws as Scorer.score, INVALID_FILE; errors name the place in the file */
  async read(): Promise<TensorData[]> {
    const dim = Math.max(1, ...this.#signature.features.map((feature) => feature.dim));
    for (const { begin, end } of batches(this.#bags, dim)) await this.#score(begin, end);
    return this.#outputs.map(({ name, width, data }) => {
      const shape = width === 1 ? [this.#requests] : [this.#requests, width];
      return { name, dtype: 'F32', shape, data };
    });
  }

  /** Scores requests [begin, end) as the candidates of one, or in halves if they are too many at once. */
  async #score(begin: number, end: number): Promise<void> {
    const { features, dense } = this.#signature;
    const bags = await Promise.all(this.#bags.map((own) => own.read(begin, end)));
    const values = await Promise.all(dense.map((input) => this.#dense(input, begin, end)));
    const request = {
      bags: Object.fromEntries(features.map(({ name }, i) => [name, bags[i]])),
      dense: Object.fromEntries(dense.map(({ name }, i) => [name, values[i]])),
    };
    try {
      const { outputs } = await this.#scorer.score(request, { deadline: deadlineMsMax });
      for (const { name, width, data } of this.#outputs) data.set(outputs[name], begin * width);
    } catch (error) {
      if (end - begin > 1 && error instanceof FlexemrError && error.code === 'LIMIT_EXCEEDED') {
        const middle = Math.ceil((begin + end) / 2);
        await this.#score(begin, middle);
        await this.#score(middle, end);
      } else throw this.#placed(error, begin);
    }
  }

  async #dense(
    { name, width }: ModelSignature['dense'][number],
    begin: number,
    end: number,
  ): Promise<Float32Array> {
    const values = new Float32Array((end - begin) * width);
    await this.#file.readInto(name, begin * width * 4, new Uint8Array(values.buffer));
    return values;
  }

  #placed(error: unknown, begin: number): unknown {
    const { field } = error as { field?: string };
    const feature = this.#signature.features.findIndex(({ name }) => field?.startsWith(`${name}.`));
    return feature < 0 ? error : this.#bags[feature].placed(error, begin);
  }
}

function checkDense(file: SafetensorsFile, name: string, wanted: readonly number[]): void {
  const { dtype, shape } = file.entry(name);
  if (dtype === 'F32' && shape.join() === wanted.join()) return;
  const message = `${file.path}: ${name} is ${dtype} [${shape.join(', ')}], but must be F32 [${wanted.join(', ')}]`;
  throw new FlexemrError('INVALID_FILE', message, { field: `${name}.shape`, value: shape });
}
