import { parseArgs } from 'node:util';
import { UsageError } from '../usage.ts';

/** How long and how often is measured. */
export interface Course {
  readonly rounds: number;
  /** Of one rate: ms before the measured ones, and of them. */
  readonly warmMs: number;
  readonly ms: number;
  /** A search ends when the rate that was kept and the one that was not are this close. */
  readonly closeRatio: number;
  /** Loads that all services get, of what the first one keeps. */
  readonly shares: readonly number[];
  /** How long the whole run may wait for other programs. */
  readonly patienceMs: number;
}

const full: Course = {
  ...{ rounds: 3, warmMs: 1_000, ms: 4_000, closeRatio: 1.04, shares: [0.25, 0.5, 0.75, 0.9, 1, 1.25] },
  patienceMs: 1_200_000,
};
/** Shows that everything runs. Its figures are rough. */
const quickly: Course = { rounds: 1, warmMs: 100, ms: 400, closeRatio: 1.5, shares: [1], patienceMs: 0 };

export interface SloOptions {
  readonly quick: boolean;
  readonly json: string | undefined;
  /** Names of models. Empty: all. */
  readonly only: readonly string[];
  /** Names of contenders. Empty: all. */
  readonly contenders: readonly string[];
  /** Instead of each model's own. */
  readonly sloMs: number | undefined;
  readonly course: Course;
}

export function readOptions(args: string[]): SloOptions {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'string' },
      only: { type: 'string' },
      contender: { type: 'string', multiple: true, default: [] },
      rounds: { type: 'string' },
      slo: { type: 'string' },
      seconds: { type: 'string' },
      patience: { type: 'string' },
      quick: { type: 'boolean', default: false },
    },
  });
  const usual = values.quick ? quickly : full;
  const { seconds, patience } = values;
  return {
    quick: values.quick,
    json: values.json,
    only: values.only?.split(',') ?? [],
    contenders: values.contender,
    sloMs: values.slo === undefined ? undefined : positive('--slo', values.slo),
    course: {
      ...usual,
      rounds: values.rounds === undefined ? usual.rounds : Math.ceil(positive('--rounds', values.rounds)),
      ms: seconds === undefined ? usual.ms : positive('--seconds', seconds) * 1_000,
      patienceMs: patience === undefined ? usual.patienceMs : positive('--patience', patience) * 1_000,
    },
  };
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new UsageError(`${option} ${text}: give a number above 0`);
}

/** @throws UsageError if a name is unknown */
export function chosen<T>(
  option: string,
  all: readonly T[],
  nameOf: (one: T) => string,
  wanted: readonly string[],
): T[] {
  const names = all.map(nameOf);
  const unknown = wanted.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new UsageError(`${option} ${unknown}: this name is unknown; use names of: ${names.join('; ')}`);
  return all.filter((_, i) => wanted.length === 0 || wanted.includes(names[i]));
}
