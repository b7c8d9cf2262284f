import { Absent } from '../usage.ts';
import type { Leftovers } from './leftovers.ts';
import type { ServingOptions } from './options.ts';
import type { Traffic } from './traffic.ts';

/** What every part of one run shares. */
export interface Context {
  readonly options: ServingOptions;
  readonly leftovers: Leftovers;
  readonly traffic: Traffic;
  /** Why somebody is not measured; said again at the end, which is then a failure. */
  readonly absent: Set<string>;
}

/** Starts what may be absent here, which is said aloud. */
export async function unlessAbsent<T>({ absent }: Context, start: () => Promise<T>): Promise<T | undefined> {
  try {
    return await start();
  } catch (error) {
    if (!(error instanceof Absent)) throw error;
    console.log(`ABSENT: ${error.message}`);
    absent.add(error.message);
    return undefined;
  }
}
