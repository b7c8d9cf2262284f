// A scorer that keeps what it was given, checks it as the real one does, and gives the outputs that a test sets.
import { FlexemrError } from '../../src/index.ts';
import type { ModelSignature } from '../../src/model/model.ts';
import { checkBags } from '../../src/plan/checked-bags.ts';
import type { ScoreRequest } from '../../src/scorer/score-request.ts';
import type { Scores } from '../../src/scorer/score-task.ts';
import type { ScoreOptions } from '../../src/scorer/scorer.ts';
import type { Scoring } from '../../src/service/scoring.ts';

const feature = (name: string, mode: 'sum' | 'none' = 'sum') => ({ name, table: name, mode, dim: 4 });

export const signature: ModelSignature = {
  name: 'films/Größe',
  version: '2026-11',
  features: [feature('user'), feature('genres'), feature('__proto__'), feature('constructor')],
  dense: [
    { name: 'age', width: 1 },
    { name: 'stats', width: 3 },
  ],
  outputs: [
    { name: 'score', width: 1 },
    { name: 'vector', width: 2 },
    { name: 'toString', width: 1 },
  ],
  score: 'score',
};

export class FakeScoring implements Scoring {
  readonly signature = signature;
  readonly requests: ScoreRequest[] = [];
  readonly options: ScoreOptions[] = [];
  /** Scores wait for it. */
  gate: Promise<void> = Promise.resolve();
  /** Thrown instead of an answer. */
  error: Error | undefined;
  /** The values of an output. */
  valuesOf: (name: string, length: number, request: ScoreRequest) => Float32Array = (_name, length) =>
    Float32Array.from({ length }, (_, i) => i);

  async score(request: ScoreRequest, options: ScoreOptions = {}): Promise<Scores> {
    this.requests.push(request);
    this.options.push(options);
    const candidates = candidatesOf(request);
    const gone = new Promise<never>((_, reject) =>
      options.signal?.addEventListener('abort', () => reject(new FlexemrError('CANCELLED', 'cancelled'))),
    );
    gone.catch(() => {});
    await Promise.race([this.gate, gone]);
    if (this.error) throw this.error;
    const outputs = signature.outputs.map(({ name, width }) => [
      name,
      this.valuesOf(name, candidates * width, request),
    ]);
    const all: Record<string, Float32Array> = Object.fromEntries(outputs);
    return {
      candidates,
      outputs: all,
      top: options.topK === undefined ? undefined : best(all.score, options.topK),
    };
  }
}

/** The candidates with the highest values, ties by index. */
function best(values: Float32Array, k: number): Uint32Array {
  const order = Array.from(values.keys()).sort((a, b) => values[b] - values[a] || a - b);
  return Uint32Array.from(order.slice(0, k));
}

/** Checks a request. Keys from 2^63 on are unknown. @returns how many candidates it has */
function candidatesOf({ bags, dense = {} }: ScoreRequest): number {
  const results = signature.features.map(({ name, mode }) => {
    const { keys, offsets, inverse } = checkBags(name, bags[name], true, mode);
    const unknown = keys.findIndex((key) => BigInt.asUintN(64, BigInt(key)) === 666n);
    if (unknown >= 0)
      throw new FlexemrError('INVALID_KEY', `${name}.keys[${unknown}] = 666 is not in table ${name}`, {
        field: `${name}.keys`,
        position: unknown,
        value: 666n,
      });
    return inverse?.length ?? offsets.length - 1;
  });
  const rows = signature.dense.map(({ name, width }) => dense[name].length / width);
  const candidates = Math.max(...results, ...rows);
  const uneven = [...results, ...rows].find((count) => count !== candidates && count !== 1);
  if (candidates >= 1 && uneven === undefined) return candidates;
  throw new FlexemrError('INVALID_BAGS', `bags: ${uneven} results for ${candidates} candidates`, {
    field: 'bags',
  });
}
