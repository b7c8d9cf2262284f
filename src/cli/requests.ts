// Requests in a safetensors file: `indices_TT`, `offsets_TT` (one more than requests) and optional `weights_TT`
// for the TT-th table. They are read one batch at a time, so that a file can be larger than memory.
import { FlexemrError } from '../errors.ts';
import { batchBagsMax, batchBytesMax, batchKeysMax } from '../limits.ts';
import type { Bags } from '../plan/bags.ts';
import { checkOffsets } from '../plan/checked-bags.ts';
import type { SafetensorsFile } from '../store/safetensors.ts';
import type { dtypeBytes } from '../store/safetensors-header.ts';

/** Name of a tensor of the `position`-th table: `indices_03`. */
export function tensorOf(kind: string, position: number): string {
  return `${kind}_${String(position).padStart(2, '0')}`;
}

/** The bags of one table in all requests of a file. */
export class RequestBags {
  readonly #file: SafetensorsFile;
  readonly #indices: string;
  readonly #weights: string | undefined;
  readonly #offsets: Uint32Array;

  private constructor(
    file: SafetensorsFile,
    indices: string,
    weights: string | undefined,
    offsets: Uint32Array,
  ) {
    this.#file = file;
    this.#indices = indices;
    this.#weights = weights;
    this.#offsets = offsets;
  }

  /** Opens the bags of the `position`-th table. @throws INVALID_FILE, INVALID_OFFSETS, INVALID_WEIGHTS */
  static async open(file: SafetensorsFile, position: number): Promise<RequestBags> {
    const [indices, bounds, weights] = ['indices', 'offsets', 'weights'].map((kind) =>
      tensorOf(kind, position),
    );
    const keys = vectorOf(file, indices, ['I64', 'U64']);
    vectorOf(file, bounds, ['I64']);
    const given = await file.read(bounds, 'I64');
    if (given.length === 0)
      throw notInFile(file, bounds, 'is empty; it must have one more offset than there are requests');
    const offsets = checkOffsets(bounds, given, given.length - 1, keys);
    if (!file.tensors.has(weights)) return new RequestBags(file, indices, undefined, offsets);
    const count = vectorOf(file, weights, ['F32']);
    if (count === keys) return new RequestBags(file, indices, weights, offsets);
    throw new FlexemrError(
      'INVALID_WEIGHTS',
      `${file.path}: ${weights} has ${count} weights for ${keys} keys; give one weight per key`,
      {
        field: weights,
        position: Math.min(count, keys),
        value: count,
      },
    );
  }

  get requests(): number {
    return this.#offsets.length - 1;
  }

  /** The number of keys in requests [begin, end). */
  keys(begin = 0, end: number = this.requests): number {
    return this.#offsets[end] - this.#offsets[begin];
  }

  /** Reads the bags of requests [begin, end) from the file. @throws INVALID_FILE */
  async read(begin: number, end: number): Promise<Bags> {
    const first = this.#offsets[begin];
    const count = this.keys(begin, end);
    const wide = this.#file.entry(this.#indices).dtype === 'U64' ? BigUint64Array : BigInt64Array;
    const keys = new wide(count);
    await this.#file.readInto(this.#indices, first * 8, new Uint8Array(keys.buffer));
    const offsets = this.#offsets.slice(begin, end + 1).map((offset) => offset - first);
    if (this.#weights === undefined) return { keys, offsets, includeLastOffset: true };
    const weights = new Float32Array(count);
    await this.#file.readInto(this.#weights, first * 4, new Uint8Array(weights.buffer));
    return { keys, offsets, includeLastOffset: true, weights };
  }

  /** Changes the error of a lookup of requests [begin, …): its place in the batch becomes a place in the file. */
  placed(error: unknown, begin: number): unknown {
    if (!(error instanceof FlexemrError) || error.code !== 'INVALID_KEY' || error.position === undefined)
      return error;
    const position = error.position + this.#offsets[begin];
    const message = `${this.#file.path}: ${this.#indices}[${position}]: ${error.message}`;
    return new FlexemrError(error.code, message, {
      field: this.#indices,
      position,
      value: error.value,
      cause: error,
    });
  }
}

/**
 * Opens the bags of all tables in a file of requests.
 * @throws as RequestBags.open, INVALID_BAGS if tables have different numbers of requests
 */
export async function openRequests(file: SafetensorsFile, tables: number): Promise<RequestBags[]> {
  const all: RequestBags[] = [];
  for (let position = 0; position < tables; position++) {
    const bags = await RequestBags.open(file, position);
    all.push(bags);
    if (bags.requests === all[0].requests) continue;
    const message = `${file.path}: table ${position} has bags for ${bags.requests} requests, but table 0 for ${all[0].requests}`;
    const field = tensorOf('offsets', position);
    throw new FlexemrError('INVALID_BAGS', message, { field, position, value: bags.requests });
  }
  return all;
}

/**
 * Ranges of requests that are looked up together. The number of requests is limited, and so are the keys and the bytes
 * of their rows, f32 [keys, dim], so that a memory node can take a range at once with every kind of lookup. A single
 * request with more keys or bytes is a range by itself.
 */
export function* batches(
  tables: readonly RequestBags[],
  dim: number,
): Generator<{ begin: number; end: number }> {
  const requests = tables[0]?.requests ?? 0;
  const rowsMax = Math.floor(batchBytesMax / (dim * 4));
  const bagsMax = Math.min(batchBagsMax, rowsMax);
  const keysMax = Math.min(batchKeysMax, rowsMax);
  const keysOf = (request: number): number =>
    tables.reduce((sum, bags) => sum + bags.keys(request, request + 1), 0);
  for (let begin = 0; begin < requests; ) {
    let [end, keys] = [begin + 1, keysOf(begin)];
    while (end < requests && end - begin < bagsMax && keys + keysOf(end) <= keysMax) keys += keysOf(end++);
    yield { begin, end };
    begin = end;
  }
}

function vectorOf(file: SafetensorsFile, name: string, dtypes: readonly (keyof typeof dtypeBytes)[]): number {
  const { dtype, shape } = file.entry(name);
  if (!dtypes.some((known) => known === dtype))
    throw notInFile(file, `${name}.dtype`, `is ${dtype}, but must be ${dtypes.join(' or ')}`);
  if (shape.length !== 1)
    throw notInFile(file, `${name}.shape`, `is [${shape.join(', ')}], but must have one dimension`);
  return shape[0];
}

function notInFile(file: SafetensorsFile, field: string, problem: string): FlexemrError {
  return new FlexemrError('INVALID_FILE', `${file.path}: ${field} ${problem}`, { field });
}
