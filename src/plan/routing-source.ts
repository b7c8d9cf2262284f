import * as v from 'valibot';
import { callback, check } from '../check.ts';
import { checkRouting } from './routing-json.ts';
import type { RoutingTable } from './routing-table.ts';

/** A source of routing tables: a file, an address or a program. */
export interface RoutingSource {
  /** Reads the current routing table. @throws INVALID_ROUTING; UNAVAILABLE if it cannot be read */
  read(): Promise<RoutingTable>;
  /**
   * Calls `onChange` with every routing table that differs from the one before. The first is compared with the last
   * result of `read`. If a table cannot be read or is not valid, calls `onError` once, and the old table stays.
   * @returns a function that ends the watch: afterwards neither is called
   */
  watch(onChange: (routing: RoutingTable) => void, onError: (error: Error) => void): () => void;
}

/**
 * Wraps a source in checks, or makes a source of a routing table: a RoutingTable, or what JSON.parse gives for a
 * routing file. @throws INVALID_ROUTING
 */
export function routingSource(given: RoutingTable | RoutingSource | undefined): RoutingSource {
  const wanted = 'a routing table or a routing source';
  const isOne = (value: unknown): boolean => typeof value === 'object' && value !== null;
  const schema = v.custom<RoutingTable | RoutingSource>(isOne, wanted);
  const source = check(schema, given, 'routing', 'INVALID_ROUTING');
  return 'read' in source ? checkedSource(source) : fixedRouting(source);
}

/** Wraps a source and checks everything that it gives. */
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
