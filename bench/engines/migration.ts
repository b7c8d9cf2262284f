// npm run bench -- engines --only migration: compares policies that move connections among engines, in a model.
import { balanceWindowMs } from '../../src/engine-limits.ts';
import { type NamedPolicy, policies } from './policies.ts';
import { type Course, course, noise, type Setting, type Shift, shift, turnWindows } from './trial.ts';

const exponents = [0.6, 0.9, 1.2];
const nodeCounts = [4, 8, 16];
const engineCounts = [2, 3, 4];
const shiftSeeds = 24;
const courseSeeds = 6;

interface Outcome {
  readonly policy: string;
  readonly shifts: readonly Shift[];
  readonly steady: readonly Course[];
  readonly turning: readonly Course[];
}

const about = `This is a model of engines on simulated time, without threads and network. It says what a policy decides, and not how
fast engines are. Each node has one connection. Demands follow Zipf's law, and are up to ${100 * noise} % more or less in each window of
${balanceWindowMs} ms. Each lookup waits for all connections. More is asked than can be served. A move costs both engines 1 ms.

settled  throughput 10 s to 20 s after a shift of load, of the best static owners (all were tried); mean of ${shiftSeeds} shifts
s        seconds after a shift until a second begins that has 90 % of the best throughput: the median
moves/h  under load that does not shift: ${courseSeeds} runs of ten minutes`;

/** @param quick fewer settings */
export async function run({ quick }: { readonly quick: boolean }): Promise<object> {
  console.log(about);
  console.log(
    `\n${line(['zipf', 'nodes', 'engines', ...policies.flatMap(({ name }) => [name, 's', 'moves/h'])])}`,
  );
  const chosen = quick ? settings().filter((_, i) => i % 9 === 4) : settings();
  const all = chosen.map((setting) => {
    const outcomes = policies.map((policy) => measure(setting, policy));
    const { exponent, nodes, engines } = setting;
    console.log(line([String(exponent), String(nodes), String(engines), ...outcomes.flatMap(cells)]));
    return outcomes;
  });
  console.log(
    '\nAll of these settings. "first": the ten seconds after a shift. "low": the lowest of all shifts, 10 s to 20 s after it.',
  );
  console.log(`"turns": two loads take turns every ${turnWindows * balanceWindowMs} ms.\n`);
  console.log(line(['policy', 'first', 'settled', 'low', 's', 'worst', 'moves/h', 'turns', 'moves/h']));
  const sums = policies.map(({ name }, i) =>
    joined(
      name,
      all.map((outcomes) => outcomes[i]),
    ),
  );
  for (const sum of sums) console.log(summary(sum));
  return { policies: sums };
}

function settings(): Setting[] {
  return exponents.flatMap((exponent) =>
    nodeCounts.flatMap((nodes) => engineCounts.map((engines) => ({ exponent, nodes, engines }))),
  );
}

function measure(setting: Setting, policy: NamedPolicy): Outcome {
  const seeds = (count: number): number[] => Array.from({ length: count }, (_, seed) => seed);
  return {
    policy: policy.name,
    shifts: seeds(shiftSeeds).map((seed) => shift(setting, policy, seed)),
    steady: seeds(courseSeeds).map((seed) => course(setting, policy, seed, false)),
    turning: seeds(courseSeeds).map((seed) => course(setting, policy, seed, true)),
  };
}

function joined(policy: string, outcomes: readonly Outcome[]): Outcome {
  return {
    policy,
    shifts: outcomes.flatMap(({ shifts }) => shifts),
    steady: outcomes.flatMap(({ steady }) => steady),
    turning: outcomes.flatMap(({ turning }) => turning),
  };
}

function cells({ shifts, steady }: Outcome): string[] {
  return [share(mean(shifts.map(({ settled }) => settled))), median(shifts), movesPerHour(steady)];
}

function summary({ policy, shifts, steady, turning }: Outcome): string {
  return line([
    policy,
    share(mean(shifts.map(({ first }) => first))),
    share(mean(shifts.map(({ settled }) => settled))),
    share(Math.min(...shifts.map(({ settled }) => settled))),
    median(shifts),
    time(Math.max(...shifts.map(({ seconds }) => seconds))),
    movesPerHour(steady),
    share(mean(turning.map((course) => course.share))),
    movesPerHour(turning),
  ]);
}

function median(shifts: readonly Shift[]): string {
  return time(shifts.map(({ seconds }) => seconds).sort((a, b) => a - b)[Math.floor(shifts.length / 2)]);
}

function time(seconds: number): string {
  return seconds === Number.POSITIVE_INFINITY ? 'never' : seconds.toFixed(1);
}

function movesPerHour(courses: readonly Course[]): string {
  return String(Math.round(mean(courses.map(({ movesPerHour }) => movesPerHour))));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function share(value: number): string {
  return value.toFixed(3);
}

function line(cells: readonly string[]): string {
  return cells.map((cell) => cell.padStart(11)).join(' ');
}
