// Keys that were not simply pooled: padded, missing, or answered by the default row.
import { OUTCOME_DEFAULTED, OUTCOME_MISSING, OUTCOME_PADDED } from '../kernel/layout.ts';
import type { Pooled } from '../lookup/pooled.ts';
import { EXCEPTION_OUTCOME_SHIFT, EXCEPTION_POSITION_MASK } from '../wire/layout.ts';
import type { Feature } from './feature.ts';
import type { Segment } from './segment.ts';

interface Exception {
  readonly position: number;
  readonly outcome: number;
}

const none: Uint32Array = new Uint32Array();

/** The positions of a feature's keys by their outcome. @param held its segments that have a reply */
export function outcomesOf(
  { padded }: Feature,
  held: readonly Segment[],
): Pick<Pooled, 'missing' | 'defaulted' | 'padded'> {
  if (!held.some(({ exceptions }) => exceptions.length > 0))
    return { missing: none, defaulted: none, padded };
  const all = held.flatMap(inFeature).sort((a, b) => a.position - b.position);
  const withOutcome = (outcome: number): Uint32Array =>
    Uint32Array.from(
      all.filter((exception) => exception.outcome === outcome).map(({ position }) => position),
    );
  return {
    missing: withOutcome(OUTCOME_MISSING),
    defaulted: withOutcome(OUTCOME_DEFAULTED),
    // Nodes get padding keys only in mode `none`.
    padded: padded.length > 0 ? padded : withOutcome(OUTCOME_PADDED),
  };
}

/** Positions of the unique keys of a fetched segment that have no row to pool. */
export function absentRows(segment: Segment): number[] {
  return inSubrequest(segment)
    .filter(({ outcome }) => outcome !== OUTCOME_DEFAULTED)
    .map(({ position }) => position);
}

/** Exceptions of one segment, by position in the feature's keys. */
function inFeature(segment: Segment): Exception[] {
  const { cut, fetching } = segment;
  const raw = inSubrequest(segment);
  const placed = (position: number): number => cut.positions?.[position] ?? position;
  if (fetching === undefined)
    return raw.map(({ position, outcome }) => ({ position: placed(position), outcome }));
  const outcomes = new Map(raw.map(({ position, outcome }) => [position, outcome]));
  return [...fetching.inverse].flatMap((key, i) => {
    const outcome = outcomes.get(key);
    return outcome === undefined ? [] : [{ position: placed(i), outcome }];
  });
}

/** Exceptions of one segment, by position among the keys that were sent for it. */
function inSubrequest({ exceptions, firstKey }: Segment): Exception[] {
  return Array.from(exceptions, (entry) => ({
    position: (entry & EXCEPTION_POSITION_MASK) - firstKey,
    outcome: entry >>> EXCEPTION_OUTCOME_SHIFT,
  }));
}
