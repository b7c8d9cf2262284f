import * as v from 'valibot';
import { callback, check } from '../check.ts';
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
export function routingSource(given: RoutingTable | RoutingSource | undefined): RoutingSource {
  const wanted = 'a routing table, or a source of them';
  const isOne = (value: unknown): boolean => typeof value === 'object' && value !== null;
  const schema = v.custom<RoutingTable | RoutingSource>(isOne, wanted);
  const source = check(schema, given, 'routing', 'INVALID_ROUTING');
  return 'read' in source ? checkedSource(source) : fixedRouting(source);
}

/** A source that nothing is believed of. */
function checkedSource(source: RoutingSource): RoutingSource {
  check(callback<RoutingSource['read']>(), source.read, 'routing.read');
  check(callback<RoutingSource['watch']>(), source.watch, 'routing.watch');
  return {
    read: async () => checkRouting(await source.read()),
    watch(onChange, onError) {
      const changed = (routing: RoutingTable): void => {
        try {
          onChange(checkRouting(routing));
        } catch (error) {
          onError(error as Error);
        }
      };
      return check(callback<() => void>(), source.watch(changed, onError), 'what routing.watch returns');
    },
  };
}

/** A routing table that never changes. @throws INVALID_ROUTING */
export function fixedRouting(routing: RoutingTable): RoutingSource {
  const checked = checkRouting(routing);
  return { read: async () => checked, watch: () => () => undefined };
}
