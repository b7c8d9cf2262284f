// A minimal table spec, and ids for nodes and tables.
import type { TableSpec } from '../../src/plan/table-spec.ts';

export const spec: TableSpec = { name: 't', rows: 10, dim: 4, mode: 'sum' };

export const ids = (count: number): string[] => Array.from({ length: count }, (_, i) => `n${i}`);
