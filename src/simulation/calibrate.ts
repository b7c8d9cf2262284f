// Measures how long work takes on this machine: a ranker here, and memory nodes in a process of their own.
import { once } from 'node:events';
import { connect } from 'node:net';
import { FlexemrError } from '../errors.ts';
import { ForkedProgram } from '../host/forked-program.ts';
import { openRanker } from '../host/open-ranker.ts';
import { packageFile } from '../kernel/files.ts';
import type { Ranker } from '../ranker/ranker.ts';
import {
  type CalibrationLoad,
  type CalibrationReady,
  calibrationLoads,
  calibrationRouting,
} from './calibration-plan.ts';
import type { Costs, PauseCosts } from './costs.ts';
import { leastSquares } from './least-squares.ts';
import { type Counts, Spending, type Spent, spentBetween } from './spent.ts';

/** How often, and how long each time, each kind of work is measured. The least disturbed measurement counts. */
const rounds = 6;
const measuredMs = 60;
/** Until the compilers of the runtime are done, and until caches are as in the measurement. */
const firstWarmUpMs = 150;
const warmUpMs = 20;
/** How long, and with how many lookups in flight, pauses of the garbage collector are measured. */
const pausesMs = 2_000;
const lookupsAtOnce = 16;
const echoBytes = 128;

/** What this process and the one of the nodes have counted. */
interface Both {
  readonly here: Counts;
  readonly there: Counts;
}

/** Nanoseconds of a lookup, or of an exchange: of the thread here, of the thread there, and from its begin to its end. */
interface Measured {
  readonly here: number;
  readonly there: number;
  readonly p50: number;
}

/** Takes a few seconds. @throws NODE_FAILED if the process does not start */
export async function calibrate(): Promise<Costs> {
  const nodes = new ForkedProgram(packageFile('./calibration-node', import.meta.url));
  using here = new Spending();
  try {
    const ready = (await nodes.said().catch(ended)) as CalibrationReady;
    const counts = async (): Promise<Both> => {
      const there = (await nodes.ask('counts').catch(ended)) as Counts;
      return { here: await here.counts(), there };
    };
    const urls = ready.ports.map((port) => `http://127.0.0.1:${port}`);
    await using ranker = await openRanker({ routing: calibrationRouting(urls) });
    const loads = calibrationLoads();
    const acts = [await exchanges(ready.echoPort), ...loads.map(({ lookups }) => lookUps(ranker, lookups))];
    for (const act of acts) await repeat(act, firstWarmUpMs);
    const measured: Measured[] = [];
    for (let round = 0; round < rounds; round++)
      for (const [i, act] of acts.entries()) measured[i] = least(measured[i], await measure(counts, act));
    const [echoed, ...ofLookups] = measured;
    return costsOf(echoed, loads, ofLookups, await pauses(counts, acts.slice(1)));
  } finally {
    await nodes.stop();
  }
}

function ended(cause: Error): never {
  const message = `the process that costs are measured with has ended (${cause.message}); give costs by --costs instead`;
  throw new FlexemrError('NODE_FAILED', message, { field: 'costs', cause });
}

function lookUps(ranker: Ranker, lookups: CalibrationLoad['lookups']): () => Promise<void> {
  let next = 0;
  return async () => {
    using _ = await ranker.lookup(lookups[next++ % lookups.length]);
  };
}

/** Exchanges of some bytes with the process of the nodes. */
async function exchanges(port: number): Promise<() => Promise<void>> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  // The connection ends with the process of the nodes.
  socket.on('error', () => socket.destroy());
  let back = (): void => {};
  socket.on('data', () => back());
  const bytes = Buffer.alloc(echoBytes);
  return () =>
    new Promise((resolve) => {
      back = resolve;
      socket.write(bytes);
    });
}

/** @returns the milliseconds that each took */
async function repeat(act: () => Promise<void>, ms: number): Promise<number[]> {
  const took: number[] = [];
  for (const end = performance.now() + ms; performance.now() < end; ) {
    const begun = performance.now();
    await act();
    took.push(performance.now() - begun);
  }
  return took;
}

function least(one: Measured | undefined, other: Measured): Measured {
  if (one === undefined) return other;
  return {
    here: Math.min(one.here, other.here),
    there: Math.min(one.there, other.there),
    p50: Math.min(one.p50, other.p50),
  };
}

async function measure(counts: () => Promise<Both>, act: () => Promise<void>): Promise<Measured> {
  await repeat(act, warmUpMs);
  const before = await counts();
  const took = await repeat(act, measuredMs);
  const after = await counts();
  took.sort((a, b) => a - b);
  // The least disturbed measurement has the fewest pauses, too.
  const each = (begin: Counts, end: Counts): number => ((end.cpuMs - begin.cpuMs) * 1e6) / took.length;
  return {
    here: each(before.here, after.here),
    there: each(before.there, after.there),
    p50: took[took.length >>> 1] * 1e6,
  };
}

/** Pauses are longer if more is in use, so they are measured while many lookups are in flight. */
async function pauses(
  counts: () => Promise<Both>,
  acts: readonly (() => Promise<void>)[],
): Promise<Costs['pauses']> {
  const before = await counts();
  const end = performance.now() + pausesMs;
  const lane = async (_: unknown, first: number): Promise<void> => {
    for (let i = first; performance.now() < end; i++) await acts[i % acts.length]();
  };
  await Promise.all(Array.from({ length: lookupsAtOnce }, lane));
  const after = await counts();
  return {
    node: pausesOf(spentBetween(before.there, after.there)),
    ranker: pausesOf(spentBetween(before.here, after.here)),
  };
}

/** Pauses come after so much work, whatever it is for. */
function pausesOf({ workMs, pauses, pausedMs }: Spent): PauseCosts {
  return { every: (workMs * 1e6) / Math.max(1, pauses), pause: (pausedMs * 1e6) / Math.max(1, pauses) };
}

function costsOf(
  echoed: Measured,
  loads: readonly CalibrationLoad[],
  measured: readonly Measured[],
  pauses: Costs['pauses'],
): Costs {
  const [subrequestThere, segment, key, rowByte, replyByte] = leastSquares(
    loads.map((load) => [load.subrequests, load.segments, load.keys, load.rowBytes, load.replyBytes]),
    measured.map(({ there }) => there),
  );
  const [lookup, feature, keyHere, subrequestHere, replyByteHere] = leastSquares(
    loads.map((load) => [1, load.features, load.keys, load.subrequests, load.replyBytes]),
    measured.map(({ here }) => here),
  );
  // An exchange is one write and one read on each side. What a side does after it has written delays nobody else.
  const [busy, delay] = [(echoed.here + echoed.there) / 2, echoed.p50 / 2];
  const thread = Math.min(busy, delay);
  const without = (whole: number): number => Math.max(0, whole - busy);
  return rounded({
    thread: { wake: delay - thread, read: thread / 2, write: thread / 2, rest: busy - thread },
    node: { subrequest: without(subrequestThere), segment, key, rowByte, replyByte },
    ranker: {
      ...{ lookup, feature, key: keyHere, replyByte: replyByteHere },
      subrequest: without(subrequestHere),
    },
    pauses,
  });
}

/** Three digits say more than was measured. */
function rounded<T extends object>(costs: T): T {
  const entries = Object.entries(costs).map(([name, value]) => [
    name,
    typeof value === 'number' ? Number(value.toPrecision(3)) : rounded(value),
  ]);
  return Object.fromEntries(entries);
}
