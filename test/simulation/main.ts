// Simulates clusters:
//   npm run simulate -- --seeds N [--first F]
//   npm run simulate -- --mutations [--seeds N]   plants faults in production code, which must be found
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { type Mutation, mutations } from './mutations.ts';
import { plant } from './plant.ts';
import type { SeedOutcome } from './seed.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    first: { type: 'string', default: '1' },
    mutations: { type: 'boolean', default: false },
    /** The number of one mutation: it is planted, and the simulation ends with the first failure. */
    mutation: { type: 'string' },
  },
});
const seeds = wholeNumber('seeds');
const first = wholeNumber('first');

/** Enough to see whether two runs are the same. */
const digestChars = 16;

if (values.mutations) {
  const { findMutations } = await import('./find-mutations.ts');
  process.exitCode = (await findMutations(seeds)) > 0 ? 1 : 0;
} else if (values.mutation === undefined) await simulateAll();
else {
  const mutation = mutations[Number(values.mutation)];
  plant(mutation);
  await simulateUntilFailure(mutation.only);
}

function wholeNumber(option: 'seeds' | 'first'): number {
  const number = Number(values[option]);
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new Error(`--${option} ${values[option]}: give a whole number, at least 1`);
}

async function simulateAll(): Promise<void> {
  const { simulateSeed } = await import('./seed.ts');
  const began = performance.now();
  const digest = createHash('sha256');
  let [failures, lookups, answered, held, events] = [0, 0, 0, 0, 0];
  for (let seed = first; seed < first + seeds; seed++) {
    const outcome = await simulateSeed(seed);
    lookups += outcome.lookups;
    answered += outcome.answered;
    held += outcome.held;
    events += outcome.events;
    digest.update(outcome.digest);
    if (outcome.error === undefined) continue;
    failures++;
    report(outcome);
  }
  const perSecond = Math.round((seeds * 10_000) / (performance.now() - began)) / 10;
  console.log(
    `${lookups} lookups, ${answered} answered, ${held} replies held, ${events} events, ${perSecond} seeds a second`,
  );
  console.log(`digest of all events: ${digest.digest('hex').slice(0, digestChars)}`);
  console.log(`${seeds} seeds, ${failures} failures`);
  process.exitCode = failures > 0 ? 1 : 0;
}

async function simulateUntilFailure(only: Mutation['only']): Promise<void> {
  const { simulateSeed, simulateChangesOf, simulateUpdatesOf } = await import('./seed.ts');
  const parts = { changes: simulateChangesOf, updates: simulateUpdatesOf };
  const part = only === undefined ? (seed: number) => simulateSeed(seed, false) : parts[only];
  for (let seed = first; seed < first + seeds; seed++) {
    const { error } = (await part(seed)) ?? {};
    if (error === undefined) continue;
    console.log(JSON.stringify({ seed, error: error.message }));
    process.exit(0);
  }
}

function report({ seed, plan, error, lastEvents }: SeedOutcome): void {
  console.log(`\nseed ${seed} fails: ${error?.stack ?? error}`);
  console.log(`its plan: ${JSON.stringify(plan)}`);
  console.log(`its last events:\n  ${lastEvents.join('\n  ')}`);
  console.log(`to repeat it: npm run simulate -- --seeds 1 --first ${seed}\n`);
}
