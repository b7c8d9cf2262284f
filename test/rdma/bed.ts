// What tests of RDMA run on.
import { execFileSync } from 'node:child_process';
import { buildStandIn } from './stand-in/build.ts';

/** Real verbs, of whatever device there is; else the stand-in. */
export const onDevice: boolean = process.env.FLEXEMR_RDMA === 'device';

/** Builds what is not built yet. @returns the library that verbs are to come from; undefined: the system's */
export function openBed(): { readonly library: string | undefined } {
  if (onDevice) return { library: undefined };
  execFileSync(process.execPath, ['native/build.ts'], {
    cwd: `${import.meta.dirname}/../..`,
    stdio: 'inherit',
  });
  return { library: buildStandIn() };
}
