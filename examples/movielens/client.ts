// A client of the scoring service: the Open Inference Protocol for scores, and the plain call for the best candidates.
import type { Bags, ModelSignature } from '../../src/index.ts';
import { filmTables } from './recommend.ts';
import { boundsOf, type Requests } from './requests.ts';

/** A candidate in the answer of `/v1/rank`. */
export interface Ranked {
  readonly candidate: number;
  readonly score: number;
}

export class Client {
  readonly #url: string;
  readonly #model: ModelSignature;

  constructor(url: string, model: ModelSignature) {
    this.#url = url;
    this.#model = model;
  }

  /** The probability that each film is liked. */
  async score({ bags, dense }: Requests): Promise<Float32Array> {
    const [{ name: input, width }] = this.#model.dense;
    const inputs = Object.entries(bags).flatMap(([name, own]) => [
      tensor(`${name}__values`, 'INT64', Array.from(own.keys, Number)),
      tensor(`${name}__offsets`, 'INT64', Array.from(own.offsets ?? [], Number)),
      ...(own.weights ? [tensor(`${name}__weights`, 'FP32', [...own.weights])] : []),
    ]);
    const rows = { name: input, datatype: 'FP32', shape: [dense.length / width, width], data: [...dense] };
    const outputs = [{ name: 'prob' }];
    const answer = await this.#post(`/v2/models/${this.#model.name}/infer`, {
      inputs: [...inputs, rows],
      outputs,
    });
    return Float32Array.from((answer as { outputs: [{ data: number[] }] }).outputs[0].data);
  }

  /** The best candidates. What is of the user is said once. */
  async rank({ bags, dense }: Requests, k: number): Promise<Ranked[]> {
    const [{ name: input, width }] = this.#model.dense;
    const user: Record<string, unknown> = {};
    const films = Array.from({ length: dense.length / width }, (_, i): Record<string, unknown> => {
      return { [input]: [...dense.subarray(i * width, (i + 1) * width)] };
    });
    for (const [name, own] of Object.entries(bags)) {
      const all = bagList(own);
      if (filmTables.has(name)) for (const [i, film] of films.entries()) film[name] = all[i];
      else user[name] = all[0];
    }
    const answer = await this.#post('/v1/rank', { user, candidates: films, k });
    return (answer as { ranked: Ranked[] }).ranked;
  }

  async #post(path: string, body: object): Promise<unknown> {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${this.#url}${path}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    });
    if (response.ok) return await response.json();
    throw new Error(`${path}: HTTP ${response.status} ${await response.text()}`);
  }
}

function tensor(name: string, datatype: string, data: readonly number[]): object {
  return { name, datatype, shape: [data.length], data };
}

/** One bag after the other, as `/v1/rank` takes them. */
function bagList(bags: Bags): object[] {
  const bounds = boundsOf(bags);
  const [keys, weights] = [Array.from(bags.keys, Number), bags.weights && [...bags.weights]];
  return bounds.slice(1).map((end, i) => {
    const own = keys.slice(bounds[i], end);
    return weights === undefined ? own : { keys: own, weights: weights.slice(bounds[i], end) };
  });
}
