// Keys that were not simply pooled: padded, missing, or answered by the default row.
import { FATE_DEFAULTED, FATE_MISSING, FATE_PADDED } from '../kernel/layout.ts';
import type { Pooled } from '../lookup/pooled.ts';
import { EXCEPTION_FATE_SHIFT, EXCEPTION_POSITION_MASK } from '../wire/layout.ts';
import type { Answered } from './answered.ts';

interface Exception {
  readonly position: number;
  readonly fate: number;
}

const none: Uint32Array = new Uint32Array();

/** What became of a feature's keys, by position. */
export function fatesOf(answered: readonly Answered[]): Pick<Pooled, 'missing' | 'defaulted' | 'padded'> {
  if (answered.every(({ subrequest }) => !subrequest.reply?.hasExceptions))
    return { missing: none, defaulted: none, padded: none };
  const all = answered.flatMap(inFeature).sort((a, b) => a.position - b.position);
  const withFate = (fate: number): Uint32Array =>
    Uint32Array.from(all.filter((exception) => exception.fate === fate).map(({ position }) => position));
  return {
    missing: withFate(FATE_MISSING),
    defaulted: withFate(FATE_DEFAULTED),
    padded: withFate(FATE_PADDED),
  };
}

/** Unique keys of a fetched segment that have no row to pool. */
export function absentRows(answered: Answered): number[] {
  return inSubrequest(answered)
    .filter(({ fate }) => fate !== FATE_DEFAULTED)
    .map(({ position }) => position);
}

/** Exceptions of one segment, by position in the feature's keys. */
function inFeature(answered: Answered): Exception[] {
  const { cut, fetching } = answered.segment;
  const raw = inSubrequest(answered);
  const placed = (position: number): number => cut.positions?.[position] ?? position;
  if (fetching === undefined) return raw.map(({ position, fate }) => ({ position: placed(position), fate }));
  const fates = new Map(raw.map(({ position, fate }) => [position, fate]));
  return [...fetching.inverse].flatMap((key, i) => {
    const fate = fates.get(key);
    return fate === undefined ? [] : [{ position: placed(i), fate }];
  });
}

/** Exceptions of one segment, by position among the keys that were sent for it. */
function inSubrequest({ subrequest, position }: Answered): Exception[] {
  const { reply, segments } = subrequest;
  if (!reply?.hasExceptions) return [];
  const sent = segments.map(({ cut, fetching, table }) => {
    const keys = fetching ? fetching.unique : cut.keys;
    return table.indexed ? keys.length >>> 1 : keys.length;
  });
  const begin = sent.slice(0, position).reduce((sum, keys) => sum + keys, 0);
  return Array.from(reply.exceptions, (entry) => ({
    position: (entry & EXCEPTION_POSITION_MASK) - begin,
    fate: entry >>> EXCEPTION_FATE_SHIFT,
  })).filter((exception) => exception.position >= 0 && exception.position < sent[position]);
}
