// The part `grants`: the time from posting a credit to its arrival, during a burst of large replies. The credit is sent on
// the queue pair of the replies, or on one of its own. On the stand-in, the device takes one WRITE after another: of the
// queue pairs with the highest service level, by turns. With `--guest`, Soft-RoCE in an emulated machine does the work.
import { join } from 'node:path';
import { median, quantile } from '../measure.ts';
import { Absent } from '../usage.ts';
import type { Latencies } from './credit-bursts.ts';
import type { PartOptions } from './engines.ts';
import { loadStandIn } from './stand-in.ts';

const rounds = { standIn: { full: 4_800, quick: 64 }, guest: { full: 240, quick: 16 } } as const;
/** Slow enough that the cable takes longer than the emulated processors: without it, Soft-RoCE sends while it is posted to. */
const cable = '100mbit';
/** How much less the median and the 99th percentile should be. */
const aims = { median: 0.35, p99: 0.25 } as const;

interface Times {
  readonly median: number;
  readonly p99: number;
}

export interface GrantsResult {
  readonly device: 'stand-in' | 'Soft-RoCE';
  /** µs. */
  readonly same: Times;
  readonly own: Times;
}

export async function run({ quick, guest }: PartOptions): Promise<GrantsResult> {
  const length = quick ? 'quick' : 'full';
  const latencies = guest ? await inGuest(rounds.guest[length]) : await onStandIn(rounds.standIn[length]);
  const of = (us: readonly number[]): Times => ({ median: median(us), p99: quantile(us, 0.99) });
  const device = guest ? 'Soft-RoCE' : 'stand-in';
  const result = { device, same: of(latencies.same), own: of(latencies.own) } as const;
  console.log(`${device}: ${latencies.own.length} credits each way, during bursts of 16 replies of 64 KiB`);
  console.log('µs        with the replies   queue pair of its own    less     aim');
  for (const [name, aim] of Object.entries(aims) as [keyof Times, number][]) {
    const [same, own] = [result.same[name], result.own[name]];
    const cell = (us: number, width: number): string => us.toFixed(1).padStart(width);
    const less = `${((1 - own / same) * 100).toFixed(0)} %`;
    console.log(
      `${name.padEnd(6)}${cell(same, 20)}${cell(own, 24)}${less.padStart(8)}${`${aim * 100} %`.padStart(8)}`,
    );
  }
  return result;
}

async function onStandIn(count: number): Promise<Latencies> {
  const { verbs, standIn } = await loadStandIn();
  const { measure } = await import('./credit-bursts.ts');
  standIn.hold();
  try {
    return measure(
      {
        ...{ verbs, devices: ['standin0', 'standin1'], gidIndex: 0 },
        advance: () => void standIn.step(1),
      },
      count,
    );
  } finally {
    standIn.reset();
  }
}

async function inGuest(count: number): Promise<Latencies> {
  const { missingPackages, runInGuest } = await import('../../test/rdma/guest.ts');
  const missing = missingPackages();
  if (missing.length > 0) throw new Absent(`NOT MEASURED: apt-get install ${missing.join(' ')}`);
  const program = join(import.meta.dirname, 'grants-program.ts');
  const command = `. /run/hosts.sh\nimpair left rate ${cable}\n"$NODE" --no-warnings --no-wasm-code-gc ${program} ${count}`;
  const { output, exitCode } = await runInGuest(command, {
    network: 'two-hosts',
    env: { NODE: process.execPath },
    timeoutS: 400,
  });
  const line = output.split('\n').find((text) => text.startsWith('{'));
  if (exitCode !== 0 || line === undefined) throw new Error(`the program in the guest failed:\n${output}`);
  return JSON.parse(line);
}
