// npm run test:rdma: all that is tested of RDMA, on the stand-in here and on Soft-RoCE in a guest (with `--here` on the
// stand-in alone). Ends with a line of counts.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { openBed } from './bed.ts';
import { missingPackages as missingForGuest, runInGuest } from './guest.ts';
import { missingPackages as missingForStandIn } from './stand-in/build.ts';

const root = join(import.meta.dirname, '../..');
const vitest = join(root, 'node_modules/vitest/vitest.mjs');
const lookups = '-c test/rdma/vitest.config.ts';
/** An arena of 4 GiB is registered in it. */
const guestMemoryGiB = 8;
const guestTimeoutS = 1_200;

interface Counts {
  readonly passed: number;
  readonly failed: number;
}

/** One run of vitest. */
interface Part {
  readonly name: string;
  run(): Promise<{ readonly output: string; readonly exitCode: number }>;
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
    const { output, exitCode } = await run();
    console.log(`\n== ${name}\n${output}`);
    counts.push(countsOf(output, exitCode));
  }
  return counts;
}

function here(args: string, env: Record<string, string>): ReturnType<Part['run']> {
  const child = spawn(process.execPath, [vitest, 'run', ...args.split(' ')], {
    cwd: root,
    env: { ...process.env, ...env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  return new Promise((resolve) => {
    child.on('close', (exitCode) => resolve({ output, exitCode: exitCode ?? 1 }));
  });
}

function inGuest(args: string): ReturnType<Part['run']> {
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

/** From the line in which vitest sums up; what ends badly without one has failed. */
function countsOf(output: string, exitCode: number): Counts {
  const line = output.split('\n').findLast((text) => /^ *Tests /.test(text)) ?? '';
  const count = (what: string): number => Number(new RegExp(`(\\d+) ${what}`).exec(line)?.[1] ?? 0);
  const failed = count('failed');
  return { passed: count('passed'), failed: exitCode !== 0 && failed === 0 ? 1 : failed };
}
