import { parseArgs } from 'node:util';
import { chosen } from '../slo/options.ts';
import { allTraces, type NamedTrace } from './traces.ts';

export interface CacheOptions {
  readonly quick: boolean;
  readonly json: string | undefined;
  readonly traces: readonly NamedTrace[];
}

export function readOptions(args: string[]): CacheOptions {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'string' },
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
    },
  });
  const { quick, json, only } = values;
  return {
    quick,
    json,
    traces: chosen('--only', allTraces(quick), ({ name }) => name, only?.split(',') ?? []),
  };
}
