// The bundle that wrangler makes of examples/worker is small and uses nothing that is forbidden in a Worker. It runs in
// workerd with two memory nodes.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { routingJson } from '../../src/index.ts';
import { built } from './build.ts';
import { Lookups } from './lookups.ts';
import { openMiniflare } from './workerd.ts';

/** The most bytes of script and kernels together after gzip: a ranker with replicas, hedges, credits and windows. */
const gzippedMax = 61_500;
const lookups = 1_000;
const atOnce = 8;
/** Features that a Worker does not have or does not allow. */
const forbidden =
  /["']node:|\bSharedArrayBuffer\b|\bAtomics\b|new WebAssembly\.Module\b|WebAssembly\.(compile|instantiate|validate)/;

const here = import.meta.dirname;
/** The types of modules that wrangler gives to files. */
const moduleTypes: Readonly<Record<string, string>> = {
  '.js': 'ESModule',
  '.wasm': 'CompiledWasm',
  '.bin': 'Data',
  '.txt': 'Text',
};

/** Bundles an example. @returns the folder of the bundle */
function bundle(example: string): string {
  const out = join(built, example);
  const wrangler = join(here, 'node_modules/wrangler/bin/wrangler.js');
  const config = join(here, `../../examples/${example}/wrangler.jsonc`);
  execFileSync(process.execPath, [wrangler, 'deploy', '--dry-run', '--outdir', out, '-c', config], {
    env: { ...process.env, CI: 'true', WRANGLER_SEND_METRICS: 'false' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return out;
}

/** The files that wrangler would upload: scripts and modules. */
function filesIn(folder: string): string[] {
  return readdirSync(folder).filter((file) => /\.(js|wasm|bin|txt)$/.test(file));
}

/** The modules of an example's bundle, for a Worker. */
export function workerOf(example: string): object[] {
  const folder = bundle(example);
  return filesIn(folder)
    .sort((a, b) => Number(b.endsWith('.js')) - Number(a.endsWith('.js')))
    .map((path) => ({
      type: moduleTypes[extname(path)],
      path,
      contents: readFileSync(join(folder, path)),
    }));
}

/** @returns the problems; none if all is right */
export async function workerProblems(): Promise<string[]> {
  const modules = workerOf('worker');
  const problems: string[] = [];
  const folder = join(built, 'worker');
  const files = filesIn(folder).map((file) => readFileSync(join(folder, file)));
  const bytes = files.reduce((sum, file) => sum + gzipSync(file).length, 0);
  console.log(`examples/worker: ${bytes} bytes gzipped, limit ${gzippedMax}`);
  if (bytes > gzippedMax) problems.push(`the bundle has ${bytes} bytes`);
  const script = readFileSync(join(folder, 'worker.js'), 'utf8');
  const found = forbidden.exec(script);
  if (found) problems.push(`the bundle has ${found[0]}`);

  await using own = await Lookups.start();
  const bindings = { ROUTING: routingJson(own.cluster.routing) };
  const worker = openMiniflare({ modules, bindings, compatibilityDate: '2026-01-01' });
  try {
    const times: number[] = [];
    let next = 0;
    const loop = async (): Promise<void> => {
      for (let number = next++; number < lookups; number = next++) {
        const bags = own.draw(number);
        const began = performance.now();
        const response = await worker.dispatchFetch('http://worker/', {
          method: 'POST',
          body: JSON.stringify(bags),
        });
        const answer = (await response.json()) as Record<string, { values: number[] }>;
        times.push(performance.now() - began);
        const problem = response.ok ? await own.check(bags, answer) : JSON.stringify(answer);
        if (problem !== undefined) problems.push(`lookup ${number}: ${problem}`);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, loop));
    times.sort((a, b) => a - b);
    const ms = (share: number): string => times[Math.floor(times.length * share)].toFixed(1);
    console.log(`${times.length} lookups, ${atOnce} at a time: median ${ms(0.5)} ms, p99 ${ms(0.99)} ms`);
    problems.push(...(await refusals(worker)), ...(await misconfigured(modules)));
  } finally {
    await worker.dispose();
  }
  return problems;
}

/** Checks the errors for wrong lookups. */
async function refusals(worker: ReturnType<typeof openMiniflare>): Promise<string[]> {
  const wrong: readonly (readonly [body: string, status: number, code: string])[] = [
    ['{"nothing": {"keys": [1], "offsets": [0]}}', 400, 'UNKNOWN_TABLE'],
    ['{"movie": {"keys": [-1], "offsets": [0]}}', 400, 'INVALID_KEY'],
    ['{"movie": {}}', 400, 'INVALID_BAGS'],
    ['null', 400, 'INVALID_BAGS'],
    ['{"movie":', 400, 'INVALID_BAGS'],
  ];
  return (await Promise.all(wrong.map((each) => misanswered(worker, ...each)))).flat();
}

/** Checks the error of a Worker with invalid routing. */
async function misconfigured(modules: object[]): Promise<string[]> {
  const worker = openMiniflare({ modules, bindings: { ROUTING: '{}' }, compatibilityDate: '2026-01-01' });
  try {
    return await misanswered(worker, '{}', 500, 'INVALID_ROUTING');
  } finally {
    await worker.dispose();
  }
}

async function misanswered(
  worker: ReturnType<typeof openMiniflare>,
  body: string,
  status: number,
  code: string,
): Promise<string[]> {
  const response = await worker.dispatchFetch('http://worker/', { method: 'POST', body });
  const answer = await response.text();
  const right = response.status === status && answer.includes(`"code":"${code}"`);
  return right ? [] : [`${body} is answered ${response.status}, ${answer}`];
}
