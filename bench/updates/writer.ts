// A process that updates rows at an even rate, from when it is told until it is told again. Argument: WriterSetting as JSON.
import { setTimeout as sleep } from 'node:timers/promises';
import { openUpdater } from '../../src/host/open-updater.ts';
import { dim, names } from '../swap/tables.ts';

export interface WriterSetting {
  readonly routing: string;
  /** Of each table. */
  readonly rows: number;
  readonly rowsPerSecond: number;
}

/** What it says when it is told to rest. */
export interface Written {
  /** When the update with each stamp began, in ms since 1970. The first has stamp 1. */
  readonly at: readonly number[];
  /** How many ms each took until the stream had it. */
  readonly ms: readonly number[];
  readonly rows: number;
}

const roundMs = 100;

const { routing, rows, rowsPerSecond }: WriterSetting = JSON.parse(process.argv[2]);
process.once('disconnect', () => process.exit());
const updater = await openUpdater({ routing });
const perTable = Math.ceil((rowsPerSecond * roundMs) / 1_000 / names.length);
const [at, ms]: [number[], number[]] = [[], []];
let written = 0;
let isWriting = false;
process.on('message', (told) => {
  isWriting = told === 'write';
  process.send?.({ at, ms, rows: written } satisfies Written);
});

/** Rows at random. Row 0 of the first table always has the stamp. */
function updates(stamp: number): Parameters<typeof updater.update>[0] {
  return Object.fromEntries(
    names.map((name, table) => {
      const keys = new Set(table === 0 ? [0] : []);
      while (keys.size < perTable) keys.add(1 + Math.floor(Math.random() * (rows - 1)));
      return [name, { keys: Uint32Array.from(keys), rows: new Float32Array(perTable * dim).fill(stamp) }];
    }),
  );
}

process.send?.('ready');
for (let next = performance.now(); ; next += roundMs) {
  await sleep(Math.max(0, next - performance.now()));
  if (!isWriting) {
    next = performance.now();
    continue;
  }
  at.push(performance.timeOrigin + performance.now());
  const began = performance.now();
  await updater.update(updates(at.length), { until: 'written' });
  ms.push(performance.now() - began);
  written += perTable * names.length;
}
