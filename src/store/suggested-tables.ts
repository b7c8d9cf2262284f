import * as v from 'valibot';
import { check, iterable, type Schema } from '../check.ts';
import { dimMax, tableRowsMax } from '../limits.ts';
import type { StoredTableSpec } from '../plan/table-spec.ts';
import { sources } from './load.ts';
import { type TensorEntry, tensorFields } from './safetensors-header.ts';

/** Names of the weights of tables: in collections of TorchRec, in the list of DLRM, and in a module of any name. */
const schemes: readonly RegExp[] = [
  /(?:^|\.)(?:embedding_bags|embeddings)\.(.+)\.weight$/,
  /(?:^|\.)(emb_l\.\d+)\.weight$/,
  /^(.+)\.weight$/,
];

const entries = iterable('the tensors of a file');
const entry: Schema<Pick<TensorEntry, 'name' | 'dtype' | 'shape'>> = v.object(tensorFields);

/** Whether a tensor has the shape [rows, dim] and a float dtype. */
export function hasRows({
  dtype,
  shape,
}: {
  readonly dtype: string;
  readonly shape: readonly number[];
}): boolean {
  return shape.length === 2 && Object.hasOwn(sources, dtype);
}

/** Whether a tensor can be the rows of a table. */
function mayBeTable(tensor: Pick<TensorEntry, 'dtype' | 'shape'>): boolean {
  const [rows, dim] = tensor.shape;
  return hasRows(tensor) && rows >= 1 && rows <= tableRowsMax && dim >= 1 && dim <= dimMax;
}

/**
 * Suggests a list of tables in the order of the tensors. The user must edit it, because a file does not say which
 * tensors are tables and how their bags are pooled. A table is named after its module if that name is unique, else
 * after its tensor.
 * @throws INVALID_OPTION
 */
export function suggestTables(tensors: Iterable<TensorEntry>): StoredTableSpec[] {
  const given = [...check(entries, tensors, 'tensors')].map((tensor, i) =>
    check(entry, tensor, `tensors[${i}]`),
  );
  const possible = given.filter(mayBeTable);
  const short = possible.map(({ name }) => moduleOf(name));
  const times = new Map<string, number>();
  for (const name of short) times.set(name, (times.get(name) ?? 0) + 1);
  return possible.map(({ name: tensor, shape: [rows, dim] }, i) => {
    const name = times.get(short[i]) === 1 ? short[i] : tensor;
    return { name, rows, dim, mode: 'sum', tensor };
  });
}

function moduleOf(tensor: string): string {
  for (const scheme of schemes) {
    const name = scheme.exec(tensor)?.[1];
    if (name !== undefined) return name;
  }
  return tensor;
}
