import type { NetworkInfo, Tensor, Tensors } from '../../src/model/tensor.ts';
import type { DenseRunner } from '../../src/scorer/batch-run.ts';

/** Inputs and outputs by name: the sizes of their rows. */
export interface AdderShape {
  readonly inputs: Readonly<Record<string, readonly (number | undefined)[]>>;
  readonly outputs: Readonly<Record<string, readonly number[]>>;
}

/**
 * Networks that anybody can compute: every value of an output is the sum of all inputs of its row, one f32 addition after
 * the other, in the order of the inputs. An input named `offsets…` divides the one before it.
 */
export class Adder implements DenseRunner {
  readonly runtime = 'adder';
  readonly networks: readonly NetworkInfo[];
  readonly threads: number = 1;
  /** Rows of each run of the last network. */
  readonly ran: number[] = [];
  /** Rows of each run, by network. */
  readonly rows: number[][];
  readonly #shapes: readonly AdderShape[];
  /** Runs wait for it. */
  #gate: Promise<void> = Promise.resolve();

  constructor(shapes: readonly AdderShape[]) {
    this.#shapes = shapes;
    this.rows = shapes.map(() => []);
    const infoOf = ([name, dims]: [
      string,
      readonly (number | undefined)[],
    ]): NetworkInfo['inputs'][number] => {
      const type = /^(offsets|lengths)/.test(name) ? 'int64' : 'float32';
      return { name, type, dims: [undefined, ...dims] };
    };
    this.networks = shapes.map(({ inputs, outputs }, i) => ({
      file: `adder${i}.onnx`,
      inputs: Object.entries(inputs).map(infoOf),
      outputs: Object.entries(outputs).map(infoOf),
    }));
  }

  async run(network: number, inputs: Tensors): Promise<Tensors> {
    const { inputs: named, outputs } = this.#shapes[network];
    const bounds = Object.entries(inputs).find(([name]) => name.startsWith('offsets'))?.[1];
    const whole = Object.keys(named).find((name) => !/^(values|offsets)/.test(name));
    const rows = whole === undefined ? (bounds?.dims[0] ?? 1) - 1 : inputs[whole].dims[0];
    this.rows[network].push(rows);
    if (network === this.#shapes.length - 1) this.ran.push(rows);
    await this.#gate;
    const sums = Float32Array.from({ length: rows }, (_, row) =>
      Object.keys(named)
        .flatMap((name) => rowOf(name, inputs[name], bounds, row))
        .reduce((sum, value) => Math.fround(sum + value), 0),
    );
    const made = Object.entries(outputs).map(([name, dims]): [string, Tensor] => {
      const width = dims.reduce((product, size) => product * size, 1);
      const data = Float32Array.from(
        { length: rows * width },
        (_, i) => sums[Math.floor(i / width)] * (1 + (i % width)),
      );
      return [name, { type: 'float32', data, dims: [rows, ...dims] }];
    });
    return Object.fromEntries(made);
  }

  async close(): Promise<void> {}

  /** Makes runs wait. @returns a function that lets them go on */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    return resolve;
  }
}

/** The values of one row of an input. */
function rowOf(name: string, { data, dims }: Tensor, bounds: Tensor | undefined, row: number): number[] {
  if (name.startsWith('offsets')) return [];
  const width = dims.slice(1).reduce((product, size) => product * size, 1);
  const [begin, end] = name.startsWith('values')
    ? [Number(bounds?.data[row]), Number(bounds?.data[row + 1])]
    : [row, row + 1];
  return Array.from(data.subarray(begin * width, end * width) as Float32Array, Number);
}
