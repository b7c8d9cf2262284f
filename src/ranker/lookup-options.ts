import * as v from 'valibot';
import { checkFields, named, oneOf, options as optionsOf, type Schema } from '../check.ts';
import type { MissingPolicy } from '../kernel/call.ts';
import { type TraceContext, traceContext } from '../wire/trace.ts';
import { deadlineFields } from './deadline.ts';
import type { AtLeast } from './wanted-rows.ts';

export interface LookupOptions {
  /** Milliseconds from now; default 5000. */
  readonly deadline?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The policy for keys without a row; overrides the policy of each table. */
  readonly onMissing?: MissingPolicy | undefined;
  /** `error` (default): all or nothing. `partial`: the results of nodes that answered; incomplete bags are marked. */
  readonly onFailure?: 'error' | 'partial' | undefined;
  /**
   * The span that this lookup is part of. It is passed on to the nodes. Default: the active span of the OpenTelemetry
   * SDK, if one was registered when the ranker was opened.
   */
  readonly trace?: TraceContext | undefined;
  /**
   * Row updates that the results must have. Nodes whose rows do not have them yet are asked again until the deadline. Bags of these
   * tables do not come from the cache.
   */
  readonly atLeast?: AtLeast | undefined;
}

export const noOptions: LookupOptions = {};
const lookupOptions = optionsOf({
  ...deadlineFields,
  onMissing: v.optional(oneOf(['error', 'skip', 'default'])),
  onFailure: v.optional(oneOf(['error', 'partial'])),
  trace: v.optional(traceContext),
  // Its names are compared with the routing table, where the rest is checked too.
  atLeast: v.optional(named as Schema<AtLeast>),
});

/** @throws INVALID_OPTION */
export function checkLookupOptions(options: LookupOptions): LookupOptions {
  return options === noOptions ? noOptions : checkFields(lookupOptions, options);
}
