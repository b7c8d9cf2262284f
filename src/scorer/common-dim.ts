import { FlexemrError } from '../errors.ts';
import type { TableSpec } from '../plan/table-spec.ts';

/** The dim of all tables, whose vectors can then be stacked. @throws INVALID_TABLE */
export function commonDim(specs: readonly TableSpec[]): number {
  const [first] = specs;
  if (first === undefined) {
    throw new FlexemrError('INVALID_TABLE', 'there is no table to look up', { field: 'tables' });
  }
  const other = specs.find(({ dim, mode }) => dim !== first.dim || mode === 'none');
  if (other === undefined) return first.dim;
  const message = `a dense network needs pooled vectors of one width: table ${first.name} has dim ${first.dim}, but table ${other.name} ${other.mode === 'none' ? 'is not pooled' : `has dim ${other.dim}`}`;
  throw new FlexemrError('INVALID_TABLE', message, { field: 'dim', value: other.dim });
}
