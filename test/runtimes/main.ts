// npm run test:runtimes: the shipped kernels pool golden cases and drawn problems in every runtime, and all must give
// one digest. Then measures the throughput of each runtime. Ends with a line of counts.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { environment } from '../../bench/environment.ts';
import { browserProblems, pageProblems } from './browser.ts';
import { build, built, kernels } from './build.ts';
import { chromium, chromiumMissing } from './chromium.ts';
import { componentRuntime } from './component.ts';
import { expectedOutput, follow, type Way, ways } from './documented.ts';
import { workerProblems } from './edge.ts';
import { edgeLightProblems } from './edge-light.ts';
import { entryProblems } from './entries.ts';
import { goldenProblems } from './golden.ts';
import { inputBytes, openConformance } from './hosts/conformance.ts';
import { expectedDigest } from './oracle.ts';
import { imageOf } from './problem.ts';
import { processes } from './processes.ts';
import { rankerProblems } from './rankers.ts';
import type { Runtime } from './runtime.ts';
import { sentenceProblems } from './sentences.ts';
import { measure, table } from './throughput.ts';
import { workerd } from './workerd.ts';

const drawn = 10_000;
/** The limit for all tests together, which ends tests that hang. */
const allMsMax = 1_200_000;

const { values: options } = parseArgs({
  // --bits: does not measure throughput. --json FILE: writes the measurements.
  options: { bits: { type: 'boolean', default: false }, json: { type: 'string' } },
});

if (!existsSync(join(import.meta.dirname, 'node_modules'))) {
  console.error('RUNTIMES ARE NOT TESTED HERE: npm --prefix test/runtimes ci');
  process.exit(process.env.CI ? 1 : 0);
}

setTimeout(() => {
  console.error(`not done after ${allMsMax / 60_000} minutes`);
  process.exit(1);
}, allMsMax).unref();

await build();
const golden = await goldenProblems();
const images = golden.map(({ problem, finite }) => imageOf(problem, finite));
const tape = new Uint8Array(await new Blob(images as BlobPart[]).arrayBuffer());
const moduleOf = (file: string): WebAssembly.Module => new WebAssembly.Module(readFileSync(file));
const modules = [moduleOf(kernels), moduleOf(join(built, 'conformance.wasm'))] as const;
const oracle = openConformance(...modules, tape);
const { digest, problems } = expectedDigest(golden, drawn, oracle);
const expected = digest.toString(16).padStart(16, '0');
console.log(
  `${golden.length} golden problems (${tape.length} bytes), ${drawn} drawn; by the reference: ${expected}`,
);
for (const problem of problems) console.log(problem);
let [passed, failed] = problems.length === 0 ? [1, 0] : [0, 1];

const runtimes = [...processes(), await workerd(), await chromium(), componentRuntime(...modules)];
const agreed: Runtime[] = [];
try {
  const input = inputBytes({ taped: golden.length, drawn, spins: 0, dtype: 0, tape });
  for (const runtime of runtimes) {
    const outcome = await outcomeOf(runtime, input);
    console.log(`${runtime.name.padEnd(18)}${outcome}`);
    if (outcome === expected) agreed.push(runtime);
    else if (runtime.missing !== undefined && !process.env.CI) continue;
    if (outcome === expected) passed++;
    else failed++;
  }
  for (const way of ways()) {
    if (way.missing !== undefined && !process.env.CI) {
      console.log(`docs/embedding.md, ${way.name}: NOT HERE: ${way.missing}`);
      continue;
    }
    const output = outputOf(way);
    count(`docs/embedding.md, ${way.name}`, output === expectedOutput() ? [] : [output]);
  }
  await tell('entries in Node.js, Deno and Bun', async () => entryProblems());
  await tell('rankers in Bun, Deno and Node.js 22', rankerProblems);
  await tell('entries in edge-light', edgeLightProblems);
  await tell('examples/worker', workerProblems);
  await tell('examples/sentences', sentenceProblems);
  if (chromiumMissing === undefined || process.env.CI) {
    await tell('examples/browser', browserProblems);
    await tell('entries in a page', pageProblems);
  }
  if (!options.bits) await tellThroughput(agreed.filter(({ name }) => name !== 'the component'));
} finally {
  for (const runtime of runtimes) await runtime.close?.();
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

/** Counts a check. @param problems empty if it passed */
function count(name: string, problems: readonly string[]): void {
  console.log(`${name}: ${problems.length === 0 ? 'as told' : problems.slice(0, 5).join('; ')}`);
  if (problems.length === 0) passed++;
  else failed++;
}

async function tell(name: string, problems: () => Promise<string[]>): Promise<void> {
  count(name, await problems().catch((error: unknown) => [String(error)]));
}

async function tellThroughput(measured: readonly Runtime[]): Promise<void> {
  const results = await measure(measured);
  console.log(`\n${table(results)}`);
  if (options.json === undefined) return;
  const file = { benchmark: 'runtimes', environment: environment(), results };
  writeFileSync(options.json, `${JSON.stringify(file, null, 2)}\n`);
}

/** @returns the output of the commands, or their error */
function outputOf(way: Way): string {
  try {
    return follow(way);
  } catch (error) {
    return String(error);
  }
}

/** @returns the digest, or the reason why there is none */
async function outcomeOf(runtime: Runtime, input: Uint8Array<ArrayBuffer>): Promise<string> {
  if (runtime.missing !== undefined) return `NOT HERE: ${runtime.missing}`;
  try {
    return (await runtime.run(input)).digest;
  } catch (error) {
    return String(error);
  }
}
