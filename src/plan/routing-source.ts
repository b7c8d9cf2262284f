import { FlexemrError, show } from '../errors.ts';
import { checkRouting } from './routing-json.ts';
import type { RoutingTable } from './routing-table.ts';

/** Where routing comes from: a file, an address, a program. */
export interface RoutingSource {
  /** The routing table as it is now. @throws INVALID_ROUTING, UNAVAILABLE where it cannot be had */
  read(): Promise<RoutingTable>;
  /**
   * Calls `onChange` with every routing table that differs from the one before: the first is compared with what
   * `read` last gave. What cannot be read, or is no routing table, goes to `onError`, once; the old one stays.
   * @returns what ends it: nothing is called afterwards
   */
  watch(onChange: (routing: RoutingTable) => void, onError: (error: Error) => void): () => void;
}

/** A source as it is, or of the routing table that is given, be it parsed or as JSON.parse gives it. @throws INVALID_ROUTING */
export function routingSource(given: RoutingTable | RoutingSource): RoutingSource {
  if (typeof given !== 'object' || given === null) {
    const message = `routing: expected a routing table, or a source of them, not ${show(given)}`;
    throw new FlexemrError('INVALID_ROUTING', message, { field: 'routing', value: given });
  }
  return 'read' in given ? given : fixedRouting(given);
}

/** A routing table that never changes. @throws INVALID_ROUTING */
export function fixedRouting(routing: RoutingTable): RoutingSource {
  const checked = checkRouting(routing);
  return { read: async () => checked, watch: () => () => undefined };
}
