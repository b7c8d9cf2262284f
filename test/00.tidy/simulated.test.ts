// Code that the simulation runs uses only the clock, the timers and the randomness that the simulation replaces.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** The files that a file needs when it runs. Types are not needed then. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  const clauses = [...text.matchAll(/^(?:import|export) (?!type )[^;]*?from '([^']+)'/gm)];
  return clauses
    .map(([, specifier]) => specifier)
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => relative(root, join(root, dirname(file), specifier)));
}

const simulated = new Set<string>();
const visit = (file: string): void => {
  if (simulated.has(file)) return;
  simulated.add(file);
  for (const target of importsOf(file)) visit(target);
};
for (const file of readdirSync(join(root, 'test/simulation'))) visit(`test/simulation/${file}`);
visit('src/simulation/simulate-cluster.ts');
const production = [...simulated].filter((file) => file.startsWith('src/'));

/** What the simulation does not replace. */
const real: Readonly<Record<string, RegExp>> = {
  'timers that are imported': /from '(node:)?timers(\/promises)?'/,
  'a date of now': /new Date\(\)|Date\.now/,
  'a clock that is imported': /from '(node:)?perf_hooks'/,
  'the clock of the process': /process\.(hrtime|uptime)/,
  'timers of signals': /AbortSignal\.timeout/,
  'waits of threads': /Atomics\.wait/,
  'randomness of node:crypto': /\b(randomUUID|randomBytes|randomInt|randomFill\w*)\(/,
  'a module that has such timers': /from 'undici/,
};

test('the simulation runs the ranker, the streams and the memory nodes', () => {
  for (const file of ['ranker/inline-ranker', 'transport/stream-server', 'memory-node/memory-node'])
    expect(production).toContain(`src/${file}.ts`);
});

test.for(Object.entries(real))('simulated code has no %s', ([, pattern]) => {
  const naming = production.filter((file) => pattern.test(readFileSync(join(root, file), 'utf8')));
  expect(naming).toEqual([]);
});
