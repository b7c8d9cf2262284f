// npm run test:rdma: all that is tested of RDMA, on the stand-in here and on Soft-RoCE in a guest (with `--here` on the
// stand-in alone). Ends with a line of counts.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { openBed } from './bed.ts';
import { missingPackages as missingForGuest, runInGuest } from './guest.ts';
import { missingPackages as missingForStandIn } from './stand-in/build.ts';

const root = join(import.meta.dirname, '../..');
const vitest = join(root, 'node_modules/vitest/vitest.mjs');
/** In the guest every process takes many times as long: what needs few of them runs there, what needs many here. */
const verbsInGuest = '10.devices 20.options 40.operations 45.faults 50.events 60.threads';
const guestTimeoutS = 900;

interface Counts {
  readonly passed: number;
  readonly failed: number;
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
const onStandIn = { IBVERBS_LIBRARY: library };
const inTheGuest = ['test/rdma/guest.test.ts', 'test/rdma/failover.test.ts'];
const leftOut = guest ? [] : inTheGuest.flatMap((file) => ['--exclude', file]);
const parts: Counts[] = [
  await here('verbs, on the stand-in', ['--root', 'native'], onStandIn),
  await here('lookups, on the stand-in', ['-c', 'test/rdma/vitest.config.ts', ...leftOut], {}),
];
if (guest) {
  parts.push(await inGuest('verbs, on Soft-RoCE', `--root native ${verbsInGuest}`));
  const lookups = '-c test/rdma/vitest.config.ts test/rdma/ledger test/rdma/bits';
  parts.push(await inGuest('lookups, on Soft-RoCE', lookups));
}
const sum = (of: keyof Counts): number => parts.reduce((total, part) => total + part[of], 0);
console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
process.exitCode = sum('failed') === 0 ? 0 : 1;

async function here(name: string, args: string[], env: Record<string, string>): Promise<Counts> {
  console.log(`\n== ${name}`);
  const child = spawn(process.execPath, [vitest, 'run', ...args], {
    cwd: root,
    env: { ...process.env, ...env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    process.stdout.write(text);
  });
  const exitCode = await new Promise<number>((resolve) => child.on('close', (code) => resolve(code ?? 1)));
  return countsOf(output, exitCode);
}

async function inGuest(name: string, args: string): Promise<Counts> {
  console.log(`\n== ${name}`);
  const { output, exitCode } = await runInGuest(`"$NODE" ${vitest} run ${args}`, {
    cwd: root,
    env: { NODE: process.execPath, FLEXEMR_RDMA: 'device', CI: 'true', NO_COLOR: '1' },
    // Code that V8 has made crashes now and then where two emulated processors run it at once.
    cpus: 1,
    timeoutS: guestTimeoutS,
    onOutput: (text) => process.stdout.write(text),
  });
  return countsOf(output, exitCode);
}

/** From the line in which vitest sums up; what ends badly without one has failed. */
function countsOf(output: string, exitCode: number): Counts {
  const line = output.split('\n').findLast((text) => /^ *Tests /.test(text)) ?? '';
  const count = (what: string): number => Number(new RegExp(`(\\d+) ${what}`).exec(line)?.[1] ?? 0);
  const failed = count('failed');
  return { passed: count('passed'), failed: exitCode !== 0 && failed === 0 ? 1 : failed };
}
