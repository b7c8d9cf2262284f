// npm run bench -- updates: how old a row is when it is first seen, and what updates cost lookups.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openRanker } from '../../src/host/open-ranker.ts';
import { NatsServer } from '../../test/cluster/nats-server.ts';
import { describe, environment } from '../environment.ts';
import { median, quantile } from '../measure.ts';
import { scheduledUsOf } from '../serving/cpu.ts';
import { Leftovers } from '../serving/leftovers.ts';
import type { Heard, RankerSetting } from '../swap/ranker.ts';
import { rowsOf } from '../swap/tables.ts';
import { startReplicas } from './cluster.ts';
import type { WriterSetting, Written } from './writer.ts';

interface Block {
  readonly p50: number;
  readonly p99: number;
  /** µs of each lookup. */
  readonly nodesUs: number;
  readonly rankerUs: number;
}

export async function run(args: string[]): Promise<void> {
  const options = {
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '5' },
    'rows-per-second': { type: 'string', default: '10000' },
    mib: { type: 'string', default: '200' },
    share: { type: 'string', default: '0.3' },
    /** Who writes, and the NATS server, get a processor only when nothing else wants one, as if they were on other machines. */
    elsewhere: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
  } as const;
  const { rounds, seconds, mib, share, elsewhere, quick, ...rest } = parseArgs({ args, options }).values;
  const rows = rowsOf((quick ? 32 : Number(mib)) * 2 ** 20);
  const blockMs = (quick ? 1 : Number(seconds)) * 1_000;
  console.log(describe(environment()));
  await using stack = new AsyncDisposableStack();
  const leftovers = new Leftovers();
  const server = stack.use(await NatsServer.start());
  const routing = server.at('updates');
  const nodes = await startReplicas(stack, leftovers.directory(), routing, rows);
  const asking: RankerSetting = { plan: routing, rows, share: Number(share) };
  const ranker = leftovers.child(
    fork(join(import.meta.dirname, '../swap/ranker.ts'), [JSON.stringify(asking)]),
  );
  const [{ perSecond = 0 }] = (await once(ranker, 'message')) as [Heard];
  const writing: WriterSetting = { routing, rows, rowsPerSecond: Number(rest['rows-per-second']) };
  const writer = leftovers.child(fork(join(import.meta.dirname, 'writer.ts'), [JSON.stringify(writing)]));
  await once(writer, 'message');
  if (elsewhere) for (const pid of [server.pid, writer.pid ?? 0]) yieldProcessors(pid);
  const tell = async <T>(child: typeof ranker, what: string): Promise<T> => {
    child.send(what);
    return (await once(child, 'message'))[0] as T;
  };
  const block = async (): Promise<Block> => {
    await tell(ranker, '');
    const before = [scheduledUsOf(nodes), scheduledUsOf([ranker.pid ?? 0])];
    await sleep(blockMs);
    const { ms } = await tell<Heard>(ranker, '');
    const after = [scheduledUsOf(nodes), scheduledUsOf([ranker.pid ?? 0])];
    const [nodesUs, rankerUs] = after.map((us, i) => (us - before[i]) / ms.length);
    return { p50: quantile(ms, 0.5), p99: quantile(ms, 0.99), nodesUs, rankerUs };
  };
  const [calm, updated]: [Block[], Block[]] = [[], []];
  await using reader = await firstSeen(routing);
  let written: Written | undefined;
  for (let round = 0; round < (quick ? 1 : Number(rounds)); round++) {
    calm.push(await block());
    await tell<Written>(writer, 'write');
    updated.push(await block());
    written = await tell<Written>(writer, 'rest');
    await sleep(500);
  }
  written = await tell<Written>(writer, 'rest');
  const ages = [...reader.seen].map(([stamp, at]) => at - written.at[stamp - 1]);
  await Promise.all([leftovers.end(ranker), leftovers.end(writer)]);
  const spent = (calm.length * blockMs) / 1_000;
  console.log(
    `2 nodes with the same rows, ${perSecond.toFixed(0)} lookups per second (${share} of what a busy ranker does); ` +
      `${Math.round(written.rows / spent)} rows per second updated, in ${written.at.length} updates`,
  );
  report(calm, updated);
  const text = (list: readonly number[]): string =>
    `p50 ${quantile(list, 0.5).toFixed(1)} ms, p99 ${quantile(list, 0.99).toFixed(1)} ms`;
  console.log(
    `\nage of a row when it is first seen: ${text(ages)}; until the stream has it: ${text(written.ms)}`,
  );
}

/** The threads of a process, and those that they start, run when no others want to. */
function yieldProcessors(pid: number): void {
  for (const thread of readdirSync(`/proc/${pid}/task`))
    setPriority(Number(thread), constants.priority.PRIORITY_LOW);
}

/** Looks for stamps in the first row of the first table all the time. */
async function firstSeen(
  routing: string,
): Promise<AsyncDisposable & { readonly seen: ReadonlyMap<number, number> }> {
  const ranker = await openRanker({ routing });
  const seen = new Map<number, number>();
  let isClosed = false;
  const looking = (async () => {
    for (; !isClosed; await sleep(2)) {
      const lookup = await ranker.lookup({ t0: { keys: [0], offsets: [0] } });
      const stamp = lookup.get('t0')?.values[0] ?? 0;
      lookup[Symbol.dispose]();
      // One that was overtaken was never seen.
      if (stamp > 0 && !seen.has(stamp)) seen.set(stamp, performance.timeOrigin + performance.now());
    }
  })();
  const close = async (): Promise<void> => {
    isClosed = true;
    await looking;
    await ranker.close();
  };
  return { seen, [Symbol.asyncDispose]: close };
}

function report(calm: readonly Block[], updated: readonly Block[]): void {
  console.log('                  calm  with updates  ratio');
  for (const [field, unit] of [
    ['p50', 'ms'],
    ['p99', 'ms'],
    ['rankerUs', 'µs'],
    ['nodesUs', 'µs'],
  ] as const) {
    const of = (blocks: readonly Block[]): string => median(blocks.map((each) => each[field])).toFixed(2);
    const ratio = median(updated.map((each, i) => each[field] / calm[i][field])).toFixed(2);
    console.log(
      `${`${field}, ${unit}`.padEnd(14)} ${of(calm).padStart(8)} ${of(updated).padStart(13)} ${ratio.padStart(6)}`,
    );
  }
}
