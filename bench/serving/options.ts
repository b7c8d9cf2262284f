import { parseArgs } from 'node:util';
import { UsageError } from '../usage.ts';
import type { Course } from './race.ts';

const full = { warmMs: 2_500, rounds: 9, roundMs: 300, inFlight: '16,2,2' };
/** Only shows that everything runs. Its figures are meaningless. */
const quickly = { warmMs: 0, rounds: 1, roundMs: 20, inFlight: '2,1,1' };

export interface ServingOptions {
  readonly quick: boolean;
  readonly json: string | undefined;
  /** Names of workloads, and `bare` for the transports without lookups. */
  readonly only: readonly string[];
  readonly peers: readonly string[];
  /** Names of the contenders to measure. Empty: all. */
  readonly contenders: readonly string[];
  readonly course: Course;
  /** Lookups in flight, for the smallest, the middle and the largest batch. */
  readonly inFlight: readonly number[];
}

/** @param names the allowed values of the options; those in `unasked` are used only if they are asked for */
export function readOptions(
  args: string[],
  names: { only: readonly string[]; peers: readonly string[]; unasked: readonly string[] },
): ServingOptions {
  const usual = (all: readonly string[]): string =>
    all.filter((name) => !names.unasked.includes(name)).join();
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'string' },
      only: { type: 'string', default: usual(names.only) },
      peers: { type: 'string', default: usual(names.peers) },
      contender: { type: 'string', multiple: true, default: [] },
      rounds: { type: 'string' },
      'in-flight': { type: 'string' },
      quick: { type: 'boolean', default: false },
    },
  });
  const { inFlight, ...course } = values.quick ? quickly : full;
  const [rounds] = counts('--rounds', values.rounds ?? String(course.rounds), 1);
  return {
    quick: values.quick,
    json: values.json,
    only: chosen('--only', values.only, names.only),
    peers: chosen('--peers', values.peers, names.peers),
    contenders: values.contender,
    course: { ...course, rounds },
    inFlight: counts('--in-flight', values['in-flight'] ?? inFlight, 3),
  };
}

function chosen(option: string, list: string, names: readonly string[]): string[] {
  const picked = list.split(',');
  const unknown = picked.find((name) => !names.includes(name));
  if (unknown === undefined) return picked;
  throw new UsageError(`${option} ${unknown}: this name is unknown; use names of ${names.join(',')}`);
}

function counts(option: string, list: string, length: number): number[] {
  const numbers = list.split(',').map(Number);
  if (numbers.length === length && numbers.every((n) => Number.isInteger(n) && n >= 1)) return numbers;
  throw new UsageError(`${option} ${list}: give ${length} integer(s) of at least 1, separated by commas`);
}
