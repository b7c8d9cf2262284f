import { FlexemrError } from '../errors.ts';
import { checkAll } from '../lookup/bag-reader.ts';
import { LookupTable, unknownTable } from '../lookup/lookup-table.ts';
import type { KeyedBags } from '../plan/bags.ts';
import type { RoutingTable } from '../plan/routing-table.ts';

/** The error of bags that cannot be sent to another thread: that of their first wrong element, if there is one. */
export function unsendable(bags: KeyedBags, { tables }: RoutingTable, cause: Error): Error {
  const names = tables.map(({ spec }) => spec.name);
  try {
    checkAll(bags, (name, feature) => {
      const place = names.indexOf(name);
      if (place < 0) return unknownTable(name, feature, names);
      return new LookupTable(place, tables[place], []);
    });
  } catch (error) {
    return error as Error;
  }
  const message = `the bags cannot be sent to an engine: ${cause.message}; give arrays of numbers`;
  return new FlexemrError('INVALID_BAGS', message, { field: 'bags', cause });
}
