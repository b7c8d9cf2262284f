import * as v from 'valibot';
import type { Schema } from '../check.ts';
import {
  type KnownLeases,
  type LeaseKind,
  type NodeLease,
  type RankerLease,
  releaseStates,
} from './cluster-leases.ts';

const plan = v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/));
const whole = v.pipe(v.number(), v.minValue(0));

// Later versions may say more.
const nodeLease: Schema<NodeLease> = v.object({
  node: v.string(),
  url: v.string(),
  ports: v.array(v.number()),
  zone: v.optional(v.string()),
  room: v.object({ usedBytes: whole, totalBytes: v.optional(whole) }),
  releases: v.array(v.object({ plan, state: v.picklist(releaseStates) })),
  version: v.string(),
});

const rankerLease: Schema<RankerLease> = v.object({
  plan,
  since: v.string(),
  version: v.string(),
  host: v.string(),
});

/** A lease that cannot be read. Whoever waits for all rankers waits for it. */
const unknownPlan = 'unknown';

/** A lease as a store keeps it. */
export interface KeptLease {
  readonly kind: LeaseKind;
  readonly id: string;
  /** JSON. */
  readonly text: string;
  /** When it was renewed, by the clock of the store, ms since 1970. */
  readonly renewedAt: number;
}

/** What leases say. A lease of a node that cannot be read is left out. */
export function knownLeases(kept: readonly KeptLease[]): KnownLeases {
  return {
    nodes: kept
      .filter(({ kind }) => kind === 'node')
      .flatMap((lease) => {
        const known = v.safeParse(nodeLease, jsonOf(lease));
        return known.success ? [{ ...known.output, ...heldOf(lease) }] : [];
      }),
    rankers: kept
      .filter(({ kind }) => kind === 'ranker')
      .map((lease) => {
        const known = v.safeParse(rankerLease, jsonOf(lease));
        const unreadable = { plan: unknownPlan, since: '', version: '', host: '' };
        return { ...(known.success ? known.output : unreadable), ...heldOf(lease) };
      }),
  };
}

function heldOf({ id, renewedAt }: KeptLease): { id: string; renewedAt: number } {
  return { id, renewedAt };
}

function jsonOf({ text }: KeptLease): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
