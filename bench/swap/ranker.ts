// A process with a ranker, which looks up at an even rate until its parent has gone. Argument: RankerSetting as JSON.
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { openRanker } from '../../src/host/open-ranker.ts';
import { randomBags } from './tables.ts';

export interface RankerSetting {
  readonly plan: string;
  readonly rows: number;
  /** The part of the lookups of a busy ranker that begin. */
  readonly share: number;
}

/** What it says: at first its rate, then, when it is asked, the lookups since it was asked before. */
export interface Heard {
  readonly perSecond?: number;
  /** When each of them was to begin, in ms since 1970, and how many ms later it ended. */
  readonly beganAt: readonly number[];
  readonly ms: readonly number[];
  readonly failed: number;
}

/** Lookups in flight while its capacity is measured, and for how long: the first part of it is not counted. */
const inFlight = 8;
const busyMs = 3_000;

const { plan, rows, share }: RankerSetting = JSON.parse(process.argv[2]);
process.once('disconnect', () => process.exit());
const ranker = await openRanker({ routing: plan });
const bags = Array.from({ length: 256 }, () => randomBags(rows));
let next = 0;

async function one(): Promise<void> {
  (await ranker.lookup(bags[next++ % bags.length]))[Symbol.dispose]();
}

async function capacity(): Promise<number> {
  const began = performance.now();
  let count = 0;
  const loop = async (): Promise<void> => {
    for (let now = 0; now < busyMs; now = performance.now() - began) {
      await one();
      if (now > busyMs / 3) count++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
  return (count * 1_500) / busyMs;
}

let [beganAt, ms, failed]: [number[], number[], number] = [[], [], 0];
process.on('message', () => {
  process.send?.({ beganAt, ms, failed } satisfies Heard);
  [beganAt, ms, failed] = [[], [], 0];
});

const perSecond = share * (await capacity());
process.send?.({ perSecond, beganAt, ms, failed } satisfies Heard);
for (let at = performance.now(); ; at += 1_000 / perSecond) {
  // Lookups that are due begin at once. Their time counts from when they were due: a thread that had no processor delays them.
  const waitMs = at - performance.now();
  if (waitMs >= 1) await sleep(waitMs);
  // One that is late for long still hears replies, and its parent.
  else if (next % 16 === 0) await turn();
  // Timers have whole milliseconds: some begin a little before they are due.
  const from = Math.min(at, performance.now());
  const ended = (): void => {
    beganAt.push(performance.timeOrigin + from);
    ms.push(performance.now() - from);
  };
  one().then(ended, () => void failed++);
}
