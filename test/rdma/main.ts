// npm run test:rdma: all that is tested of RDMA, on the stand-in here and on Soft-RoCE in a guest (with `--here` on the
// stand-in alone). Ends with a line of counts.
import { openBed } from './bed.ts';
import { missingPackages as missingForGuest, runInGuest } from './guest.ts';
import { missingPackages as missingForStandIn } from './stand-in/build.ts';
import { type Counts, countsOf, type Ended, run as here, root, vitest } from './vitest-run.ts';

const lookups = '-c test/rdma/vitest.config.ts';
/** An arena of 4 GiB is registered in it. */
const guestMemoryGiB = 8;
const guestTimeoutS = 1_200;

/** One run of vitest. */
interface Part {
  readonly name: string;
  run(): Promise<Ended>;
}

const guest = !process.argv.includes('--here');
const missing = [missingForStandIn(), ...(guest ? missingForGuest() : [])].filter(
  (name) => name !== undefined,
);
if (missing.length > 0) {
  console.error(`RDMA IS NOT TESTED HERE: apt-get install ${[...new Set(missing)].join(' ')}`);
  process.exit(process.env.CI ? 1 : 0);
}
const { library = '' } = openBed();
const leftOut = guest ? '' : ' --exclude test/rdma/guest.test.ts --exclude test/rdma/failover.test.ts';
const onStandIn: readonly Part[] = [
  { name: 'verbs, on the stand-in', run: () => here('--root native', { IBVERBS_LIBRARY: library }) },
  { name: 'lookups, on the stand-in', run: () => here(lookups + leftOut, {}) },
];
const onSoftRoce: readonly Part[] = [
  { name: 'verbs, on Soft-RoCE', run: () => inGuest('--root native') },
  { name: 'lookups, on Soft-RoCE', run: () => inGuest(`${lookups} ledger bits`) },
];
// A guest has one processor, and leaves the others to what runs here.
const lanes = await Promise.all([onStandIn, guest ? onSoftRoce : []].map(inTurn));
const sum = (of: keyof Counts): number => lanes.flat().reduce((total, counts) => total + counts[of], 0);
console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
process.exitCode = sum('failed') === 0 ? 0 : 1;

/** What a part says is shown once it has ended: others run beside it. */
async function inTurn(parts: readonly Part[]): Promise<Counts[]> {
  const counts: Counts[] = [];
  for (const { name, run } of parts) {
    const ended = await run();
    console.log(`\n== ${name}\n${ended.output}`);
    counts.push(countsOf(ended));
  }
  return counts;
}

function inGuest(args: string): Promise<Ended> {
  return runInGuest(`"$NODE" ${vitest} run ${args}`, {
    cwd: root,
    env: { NODE: process.execPath, FLEXEMR_RDMA: 'device', CI: 'true', NO_COLOR: '1' },
    // Two emulated processors that strip types in two threads crash Node.js 26 in WebAssembly whose code it has just
    // collected: with no add-on too, and never with --no-wasm-code-gc.
    cpus: 1,
    memoryGiB: guestMemoryGiB,
    timeoutS: guestTimeoutS,
  });
}
