// The package that npm would publish passes publint, has no data of the example, and works when it is installed.
// attw has its own package in this folder, and is a step of .ci/run.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const dir = mkdtempSync(join(tmpdir(), 'flexemr-package-'));
let tarball = '';
let packed: string[] = [];

function run(command: string, args: readonly string[], cwd: string): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

beforeAll(() => {
  const [{ filename, files }] = JSON.parse(
    run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', dir], root),
  );
  tarball = join(dir, filename);
  packed = files.map(({ path }: { path: string }) => path);
});
afterAll(() => rmSync(dir, { recursive: true }));

test('contains the files that it needs, and no example data', () => {
  const expected = [
    'LICENSE',
    'README.md',
    'CHANGELOG.md',
    'dist/index.js',
    'dist/index.d.ts',
    'dist/cli/main.js',
    'dist/component.js',
    'dist/edge.js',
    'dist/kernels.js',
    'dist/service/routes.js',
    'docs/openapi-rank.json',
    'wasm/component/flexemr.js',
    'wasm/component/flexemr.core.wasm',
    'wasm/flexemr.component.wasm',
    'wasm/flexemr.wit',
    'wasm/flexemr.h',
    'wasm/wasm-rt.h',
    'page/index.html',
    'page/page.js',
  ];
  expect(packed).toEqual(
    expect.arrayContaining([
      ...expected,
      'wasm/kernels.shared.wasm',
      'wasm/kernels.plain.wasm',
      'wasm/kernels.ranker.wasm',
    ]),
  );
  expect(
    packed.filter(
      (path) => !/^(dist|wasm|page)\/|^[A-Z]+(\.md)?$|^(package|docs\/openapi-rank)\.json$/.test(path),
    ),
  ).toEqual([]);
});

test('passes publint', () => {
  expect(run('npx', ['publint', 'run', tarball, '--strict'], root)).toMatch(/All good/);
});

test('installs and works in another folder', () => {
  writeFileSync(join(dir, 'package.json'), JSON.stringify({ name: 'user', type: 'module', private: true }));
  run('npm', ['install', '--omit=peer', '--prefer-offline', tarball], dir);
  writeFileSync(
    join(dir, 'use.js'),
    `import { Tables } from 'flexemr';
    import { openComponent } from 'flexemr/component';
    await using tables = new Tables({ threads: 2 });
    await tables.add({ name: 't', rows: 2, dim: 2, mode: 'sum' }, { rows: Float32Array.of(1, 2, 3, 4) });
    const keys = new Uint32Array(20000).fill(1);
    const lookup = await tables.lookup({ t: { keys, offsets: [0, 10000] } });
    const table = openComponent().table({ dtype: 'f32', dim: 2, rows: Float32Array.of(1, 2, 3, 4) });
    const bags = { keys: Uint32Array.of(0, 1), offsets: Uint32Array.of(0, 2) };
    console.log([...lookup.get('t').values, ...table.pool(bags, { mode: 'sum' }).values].join());`,
  );
  expect(run('node', ['use.js'], dir).trim()).toBe('30000,40000,30000,40000,4,6');
  expect(run('npx', ['--no-install', 'flexemr', '--help'], dir)).toMatch(/lookup/);
});

test.for([
  ['nodenext', 'nodenext', ['node']],
  ['nodenext', 'nodenext', []],
  ['esnext', 'bundler', ['node']],
  ['esnext', 'bundler', []],
] as [string, string, string[]][])(
  'types are strict for %s, %s, types %j, with a check of every library',
  ([module, moduleResolution, types]) => {
    const entries =
      types.length > 0 ? ['', '/edge', '/component', '/kernels'] : ['/edge', '/component', '/kernels'];
    writeFileSync(
      join(dir, 'types.ts'),
      entries.map((entry, i) => `export * as entry${i} from 'flexemr${entry}';`).join('\n'),
    );
    const options = {
      module,
      moduleResolution,
      types,
      target: 'es2022',
      lib: ['es2022'],
      strict: true,
      noEmit: true,
    };
    const typeRoots = [join(root, 'node_modules/@types')];
    const config = { compilerOptions: { ...options, typeRoots, skipLibCheck: false }, files: ['types.ts'] };
    writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify(config));
    expect(run(join(root, 'node_modules/.bin/tsc'), ['-p', dir], dir)).toBe('');
  },
);
