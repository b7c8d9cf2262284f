import { execFileSync } from 'node:child_process';
import { buildStandIn, missingPackages } from '../../test/rdma/stand-in/build.ts';
import { openStandIn, type StandIn } from '../../test/rdma/stand-in.ts';
import { Absent } from '../usage.ts';

export type Verbs = typeof import('ibverbs-node');

/** Builds what is needed, and loads the verbs over the stand-in. The verbs must not have been loaded before. */
export async function loadStandIn(): Promise<{ readonly verbs: Verbs; readonly standIn: StandIn }> {
  const missing = missingPackages();
  if (missing !== undefined) throw new Absent(`NOT MEASURED: apt-get install ${missing}`);
  execFileSync(process.execPath, ['native/build.ts'], { stdio: 'inherit' });
  process.env.IBVERBS_LIBRARY = buildStandIn();
  return { verbs: await import('ibverbs-node'), standIn: openStandIn() };
}
