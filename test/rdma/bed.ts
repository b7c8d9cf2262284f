// The library on which tests of RDMA run.
import { execFileSync } from 'node:child_process';
import { buildStandIn } from './stand-in/build.ts';

/** Whether to use the real verbs of a device instead of the stand-in. */
export const onDevice: boolean = process.env.FLEXEMR_RDMA === 'device';

/** Builds the add-on and the stand-in if necessary. @returns the library to use; undefined for that of the system */
export function openBed(): { readonly library: string | undefined } {
  if (onDevice) return { library: undefined };
  execFileSync(process.execPath, ['native/build.ts'], {
    cwd: `${import.meta.dirname}/../..`,
    stdio: 'inherit',
  });
  return { library: buildStandIn() };
}
