// Programs for Node.js that bundlers have put together: with flexemr as external they work, and where it is bundled too
// they say what to do. Ends with a line of counts.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as esbuild from 'esbuild';
import * as vite from 'vite';
import webpack from 'webpack';

const root = join(import.meta.dirname, '../..');
const dir = mkdtempSync(join(tmpdir(), 'flexemr-bundlers-'));
const entry = join(dir, 'program.js');
const program = `import { Tables } from 'flexemr';
const tables = new Tables({ threads: 2 });
await tables.add({ name: 't', rows: 2, dim: 2, mode: 'sum' }, { rows: Float32Array.of(1, 2, 3, 4) });
const lookup = await tables.lookup({ t: { keys: new Uint32Array(20000).fill(1), offsets: [0, 10000] } });
console.log([...lookup.get('t').values].join());
await tables.close();
`;

const right = /^30000,40000,30000,40000\n$/;

/** Each bundles the program to a file. */
const bundlers = {
  esbuild: (file, external) =>
    esbuild.build({
      ...{ entryPoints: [entry], outfile: file, bundle: true, format: 'esm', platform: 'node', external },
      // What is CommonJS in the bundle asks for parts of Node.js by require.
      banner: {
        js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
      },
      logLevel: 'error',
    }),
  'Vite SSR': (file, external) =>
    vite.build({
      ...{ root: dir, logLevel: 'error', ssr: external.length > 0 ? { external } : { noExternal: true } },
      build: {
        ...{ ssr: entry, outDir: join(file, '..'), emptyOutDir: false },
        rolldownOptions: { output: { entryFileNames: file.slice(file.lastIndexOf('/') + 1) } },
      },
    }),
  webpack: (file, external) =>
    new Promise((done, failed) => {
      const at = file.lastIndexOf('/');
      const output = {
        path: file.slice(0, at),
        filename: file.slice(at + 1),
        module: true,
        chunkFormat: 'module',
      };
      const externals = Object.fromEntries(external.map((name) => [name, `module ${name}`]));
      webpack(
        {
          ...{
            mode: 'production',
            target: 'node',
            entry,
            output,
            externals,
            experiments: { outputModule: true },
          },
          optimization: { minimize: false },
        },
        (error, stats) => {
          if (error) failed(error);
          else if (stats?.hasErrors()) failed(new Error(stats.toString('errors-only')));
          else done();
        },
      );
    }),
};

function run(file) {
  const { stdout, stderr } = spawnSync('node', [file], { encoding: 'utf8', timeout: 60_000 });
  return `${stdout}${stderr}`;
}

/** @returns what is wrong, if anything */
async function problem(name, bundle, external, says) {
  const file = join(dir, 'out', `${name.replace(/\W/g, '')}-${external.length}.mjs`);
  await bundle(file, external);
  const said = run(file);
  return says.test(said) ? undefined : `it says ${JSON.stringify(said.slice(0, 600))}, not ${says}`;
}

const counts = { passed: 0, failed: 0 };
try {
  writeFileSync(join(dir, 'package.json'), JSON.stringify({ name: 'user', type: 'module', private: true }));
  const packed = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', dir], {
    cwd: root,
    encoding: 'utf8',
  });
  execFileSync(
    'npm',
    ['install', '--omit=peer', '--prefer-offline', join(dir, JSON.parse(packed)[0].filename)],
    {
      cwd: dir,
      stdio: 'ignore',
    },
  );
  writeFileSync(entry, program);
  mkdirSync(join(dir, 'out'));
  for (const [name, bundle] of Object.entries(bundlers)) {
    for (const [external, says] of [
      [['flexemr'], right],
      // webpack keeps the addresses of the files that it has taken the program from.
      [[], name === 'webpack' ? right : /mark flexemr as external[\s\S]*MISSING_DEPENDENCY/],
    ]) {
      const wrong = await problem(name, bundle, external, says);
      counts[wrong === undefined ? 'passed' : 'failed']++;
      console.log(`${name}, ${external.length > 0 ? 'external' : 'bundled'}: ${wrong ?? 'ok'}`);
    }
  }
} finally {
  rmSync(dir, { recursive: true });
}
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exitCode = counts.failed === 0 ? 0 : 1;
