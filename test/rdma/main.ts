// npm run test:rdma: all tests of RDMA, on the stand-in here and on Soft-RoCE in a guest (with `--here` only on the
// stand-in). Ends with a line of counts.
import { openBed } from './bed.ts';
import { missingPackages as missingForGuest, runInGuest } from './guest.ts';
import { missingPackages as missingForStandIn } from './stand-in/build.ts';
import { type Counts, countsOf, type Ended, run as here, root, vitest } from './vitest-run.ts';

const lookups = '-c test/rdma/vitest.config.ts';
/** The tests register an arena of 4 GiB in the guest. */
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
  { name: 'verbs and lookups, on Soft-RoCE', run: () => inGuest('--root native', `${lookups} ledger bits`) },
];
// A guest uses one processor, so the tests on the stand-in run at the same time.
const lanes = await Promise.all([onStandIn, guest ? onSoftRoce : []].map(inTurn));
const sum = (of: keyof Counts): number => lanes.flat().reduce((total, counts) => total + counts[of], 0);
console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
process.exitCode = sum('failed') === 0 ? 0 : 1;

/** Runs parts one after the other. Shows the output of a part at its end, because others run at the same time. */
async function inTurn(parts: readonly Part[]): Promise<Counts[]> {
  const counts: Counts[] = [];
  for (const { name, run } of parts) {
    const ended = await run();
    console.log(`\n== ${name}\n${ended.output}`);
    counts.push(countsOf(ended));
  }
  return counts;
}

/**
 * Runs vitest several times in one guest, so that later runs use the compiled code of the first. An emulated processor
 * takes ten seconds to start a process for a file of tests, so the files of a run share one process.
 */
function inGuest(...runs: string[]): Promise<Ended> {
  const commands = runs.map((args) => `"$NODE" ${vitest} run --no-isolate ${args} || failed=1`);
  // Engines are threads that strip types again, each for itself.
  const compile = `"$NODE" --input-type=module -e 'await import("./src/host/expose-engine.ts")'`;
  return runInGuest(`${[compile, ...commands].join('\n')}\nexit "\${failed:-0}"`, {
    cwd: root,
    env: {
      ...{ NODE: process.execPath, FLEXEMR_RDMA: 'device', CI: 'true', NO_COLOR: '1' },
      // An emulated processor takes ten seconds to strip the types of a program and to compile it.
      NODE_COMPILE_CACHE: '/tmp/node-compile',
    },
    // With two emulated processors that strip types in two threads, Node.js 26 crashes in WebAssembly code that it has
    // just collected. That also happens without the add-on, but never with --no-wasm-code-gc.
    cpus: 1,
    memoryGiB: guestMemoryGiB,
    timeoutS: guestTimeoutS,
  });
}
