// Pages in Chromium: examples/browser under a path of its server, and the package's entries, bundled for browsers.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { routingJson } from '../../src/index.ts';
import { built } from './build.ts';
import { openChromium } from './chromium.ts';
import { Lookups } from './lookups.ts';
import { serveFolder } from './static-server.ts';

const here = import.meta.dirname;
const require = createRequire(join(here, 'package.json'));
const site = join(built, 'site');

/** Opens a page of the site. @returns the values of all expressions, when the first one is truthy */
async function visit(path: string, ...condition: readonly string[]): Promise<unknown[]> {
  await using server = await serveFolder(site);
  const browser = await openChromium();
  try {
    const page = await browser.newPage();
    await page.goto(`${server.url}/${path}`);
    await page.waitForFunction(condition[0]);
    return await Promise.all(condition.map((expression) => page.evaluate(expression)));
  } finally {
    await browser.close();
  }
}

/** @returns the problems; none if all is right */
export async function browserProblems(): Promise<string[]> {
  execFileSync(process.execPath, [join(here, '../../examples/browser/build.ts'), join(site, 'a/page')], {
    cwd: here,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const text = (id: string): string => `document.getElementById("${id}").textContent`;
  const [, ...said] = await visit(
    'a/page/',
    'document.body.hasAttribute("data-done")',
    ...['workers', 'bits', 'rows'].map(text),
  );
  const [workers, bits, rows] = said.map(String);
  console.log(`examples/browser: ${workers} workers, bits ${bits}, ${rows}`);
  const right = bits === 'identical' && Number(workers) > 0 && Number.parseFloat(rows) > 0;
  return right ? [] : [`the page says ${workers}, ${bits}, ${rows}`];
}

interface Esbuild {
  buildSync(options: object): unknown;
}

const program = `
const tell = async () => {
  const { openComponent } = await import('flexemr/component');
  const { openRanker, parseRouting } = await import('flexemr/edge');
  const { openKernels } = await import('flexemr/kernels');
  const table = openComponent().table({ dtype: 'f32', dim: 2, rows: Float32Array.of(1, 2, 10, 20) });
  const pooled = table.pool({ keys: Uint32Array.of(0, 1), offsets: Uint32Array.of(0, 2) }, { mode: 'mean' });
  const kernels = typeof openKernels(new WebAssembly.Memory({ initial: 1 })).pool;
  const ranker = await openRanker({ routing: parseRouting(ROUTING, 'ROUTING') });
  using lookup = await ranker.lookup(BAGS);
  const answer = [...lookup].map(([name, { values }]) => [name, { values: [...values] }]);
  return { said: [...pooled.values, kernels].join(), answer: Object.fromEntries(answer) };
};
tell().catch(({ code, message }) => ({ said: code + ' ' + message })).then((told) => { globalThis.told = told; });
`;

/** Bundles into a folder of the site. @param modules whether to copy the WebAssembly modules there too */
function bundle(folder: string, define: object, modules: boolean): void {
  const { buildSync } = require('esbuild') as Esbuild;
  const out = join(site, folder);
  mkdirSync(out, { recursive: true });
  buildSync({
    stdin: { contents: program, resolveDir: join(here, '../..') },
    ...{ define, bundle: true, splitting: true, format: 'esm', conditions: ['browser'], target: 'es2022' },
    ...{ outdir: out, entryNames: 'page' },
  });
  cpSync(join(here, 'hosts/entries.html'), join(out, 'index.html'));
  if (modules) cpSync(join(here, '../../wasm'), out, { recursive: true });
}

/** Checks the three entries in a page, with memory nodes of another origin. @returns the problems, if any */
export async function pageProblems(): Promise<string[]> {
  await using own = await Lookups.start({ allowOrigin: '*' });
  const bags = own.draw(0);
  const routing = JSON.stringify(routingJson(own.cluster.routing));
  const define = { ROUTING: routing, BAGS: JSON.stringify(bags) };
  bundle('with/modules', define, true);
  bundle('without', define, false);
  const [told] = (await visit('with/modules/', 'globalThis.told')) as [Told];
  const problem = told.answer === undefined ? undefined : await own.check(bags, told.answer);
  const problems = told.said === '5.5,11,function' && problem === undefined ? [] : [told.said, problem ?? ''];
  const [{ said }] = (await visit('without/', 'globalThis.told')) as [Told];
  return /^UNAVAILABLE http.*\/without\/component\/flexemr\.core\d?\.wasm answers with HTTP 404: serve/.test(
    said,
  )
    ? problems
    : [...problems, said];
}

interface Told {
  readonly said: string;
  readonly answer?: Record<string, { readonly values: number[] }>;
}
