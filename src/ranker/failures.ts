// What a lookup reports of subrequests that failed.
import type { FlexemrError } from '../errors.ts';
import * as layout from '../kernel/ask-layout.ts';
import type { AskedLookup } from '../lookup/asked.ts';
import { firstOf } from '../lookup/node-error.ts';
import type { Subrequest } from './subrequest.ts';

/** The failures, if all of them are allowed. @throws the first failure that is not allowed */
export function failuresOf(
  subrequests: readonly Subrequest[],
  asked: AskedLookup,
  onFailure: 'error' | 'partial',
): readonly FlexemrError[] {
  if (subrequests.every(({ error }) => error === undefined)) return none;
  const failures = subrequests.flatMap(({ error }) => error ?? []);
  const fatal = failures.filter(({ code }) => onFailure === 'error' || !mayBePartial.includes(code));
  if (fatal.length > 0) throw firstOf(fatal, asked.names.list);
  // One failure per node: a node may have been sent several subrequests.
  return failures.filter(({ node }, i) => failures.findIndex((other) => other.node === node) === i);
}

const none: readonly FlexemrError[] = [];

/** Failures of a node, which leave bags incomplete. A lookup that is invalid or was cancelled gives no result. */
const mayBePartial: readonly FlexemrError['code'][] = [
  'UNAVAILABLE',
  'OVERLOADED',
  'NODE_FAILED',
  'DEADLINE_EXCEEDED',
  'INVALID_FRAME',
  'STALE_ROWS',
];

/** The results, by feature, that lack the rows that a failed node holds. */
export function incompleteOf(
  subrequests: readonly Subrequest[],
  asked: AskedLookup,
): ReadonlyMap<number, Uint32Array> {
  if (subrequests.every(({ reply }) => reply !== undefined)) return complete;
  const lacking = new Map<number, Set<number>>();
  for (const { number, reply } of subrequests) {
    if (reply !== undefined) continue;
    for (const segment of asked.segmentsOf(number)) {
      const feature = asked.segment(segment, layout.ASKED_FEATURE);
      const bags = lacking.get(feature) ?? new Set();
      for (const bag of asked.bagsOf(segment)) bags.add(bag);
      lacking.set(feature, bags);
    }
  }
  return new Map([...lacking].map(([feature, bags]) => [feature, asked.resultsOf(feature, bags)]));
}

const complete: ReadonlyMap<number, Uint32Array> = new Map();
