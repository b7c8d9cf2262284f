import { Absent } from '../usage.ts';
import type { Leftovers } from './leftovers.ts';
import type { ServingOptions } from './options.ts';
import type { Traffic } from './traffic.ts';

/** The context that all parts of one run share. */
export interface Context {
  readonly options: ServingOptions;
  readonly leftovers: Leftovers;
  readonly traffic: Traffic;
  /** The reasons why contenders are not measured. They are repeated at the end, and the run then fails. */
  readonly absent: Set<string>;
}

/** Starts something that this machine may lack. If it does, prints this and returns undefined.
 * @param optional whether the run can succeed without it
 */
export async function unlessAbsent<T>(
  { absent }: Context,
  start: () => Promise<T>,
  optional = false,
): Promise<T | undefined> {
  try {
    return await start();
  } catch (error) {
    if (!(error instanceof Absent)) throw error;
    console.log(`ABSENT: ${error.message}`);
    if (!optional) absent.add(error.message);
    return undefined;
  }
}
