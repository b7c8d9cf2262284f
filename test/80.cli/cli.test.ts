// The command line as a process: its streams, its exit code and its files.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTables, type Tables, writeSafetensors } from '../../src/index.ts';
import { batchBagsMax } from '../../src/limits.ts';
import { denseFile, done, example, flexemr, refused, requestsFile, run, tablesFile } from './command.ts';
import { manyRequests, withFile } from './request-files.ts';

const dir = mkdtempSync(join(tmpdir(), 'flexemr-cli-'));
afterAll(() => rmSync(dir, { recursive: true }));
const out = join(dir, 'out.safetensors');

const given = (requests = requestsFile): string[] => [
  '--tables',
  tablesFile,
  '--requests',
  requests,
  '--out',
  out,
];

const suffix = (table: number): string => String(table).padStart(2, '0');
const tables = 13;

/** The results of Tables.lookup for the file of requests, for each table: f32 [requests, dim]. */
async function pooledByLibrary(options: Parameters<typeof openTables>[1] = {}): Promise<Float32Array[]> {
  await using opened: Tables = await openTables(tablesFile, options);
  return withFile(requestsFile, (file) =>
    Promise.all(
      opened.specs.map(async ({ name }, i) => {
        const bags = {
          keys: await file.read(`indices_${suffix(i)}`, 'I64'),
          offsets: await file.read(`offsets_${suffix(i)}`, 'I64'),
          includeLastOffset: true,
          weights: file.tensors.has(`weights_${suffix(i)}`)
            ? await file.read(`weights_${suffix(i)}`, 'F32')
            : undefined,
        };
        return (await opened.lookup({ [name]: bags })).get(name)?.values ?? new Float32Array();
      }),
    ),
  );
}

const pooledByCli = (path = out): Promise<Float32Array[]> =>
  withFile(path, (file) =>
    Promise.all(Array.from({ length: tables }, (_, table) => file.read(`pooled_${suffix(table)}`, 'F32'))),
  );

const largest = (got: Float32Array, expected: Float32Array): number =>
  expected.reduce(
    (most, value, i) => Math.max(most, Math.abs(got[i] - value)),
    got.length === expected.length ? 0 : 9,
  );

describe('lookup', () => {
  test('gives the bits of Tables.lookup, close to the values of PyTorch', async () => {
    const summary = done('lookup', ...given());
    expect(summary).toMatchObject({ requests: 200, tables, out });
    const pooled = await pooledByCli();
    expect(pooled).toEqual(await pooledByLibrary());
    const expected = await withFile(requestsFile, (file) => file.read('expected_pooled', 'F32'));
    const dim = 32;
    pooled.forEach((values, table) => {
      for (let request = 0; request < 200; request++) {
        const at = (request * tables + table) * dim;
        const own = values.subarray(request * dim, (request + 1) * dim);
        expect(largest(own, expected.subarray(at, at + dim))).toBeLessThanOrEqual(1e-6);
      }
    });
    const keys = await withFile(requestsFile, async ({ tensors }) =>
      [...tensors.values()]
        .filter(({ name }) => name.startsWith('indices'))
        .reduce((sum, { shape }) => sum + shape[0], 0),
    );
    expect(summary.keys).toBe(keys);
  });

  test.for(['f16', 'int8', 'int4'] as const)('keeps rows as %s with --dtype', async (dtype) => {
    done('lookup', ...given(), '--dtype', dtype);
    expect(await pooledByCli()).toEqual(await pooledByLibrary({ dtype }));
  });

  test('gives the same bytes for any batch size, with one or two threads', async () => {
    const times = 30;
    expect(200 * times).toBeGreaterThan(batchBagsMax);
    const many = join(dir, 'many.safetensors');
    await manyRequests(many, times);
    expect(done('lookup', ...given(many)).requests).toBe(200 * times);
    const bytes = readFileSync(out);
    const once = await pooledByLibrary();
    const pooled = await pooledByCli();
    pooled.forEach((values, table) => {
      for (let i = 0; i < times; i++) {
        const own = values.subarray(i * once[table].length, (i + 1) * once[table].length);
        expect(Buffer.from(own.slice().buffer).equals(Buffer.from(once[table].slice().buffer))).toBe(true);
      }
    });
    done('lookup', ...given(many), '--threads', '2');
    expect(readFileSync(out).equals(bytes)).toBe(true);
    expect(done('score', ...given(many), '--dense', denseFile, '--threads', '2').requests).toBe(200 * times);
    const expected = await withFile(requestsFile, (file) => file.read('expected_prob', 'F32'));
    const prob = await withFile(out, (file) => file.read('prob', 'F32'));
    for (let i = 0; i < times; i++)
      expect(largest(prob.subarray(i * 200, (i + 1) * 200), expected)).toBeLessThanOrEqual(1e-5);
  });

  test('prints what it did, and the time of lookups', () => {
    const { code, stdout, stderr } = flexemr('lookup', ...given());
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(
      /^200 requests, 13 tables, \d+ keys in \d+ ms \([\d,]+ keys\/s\) → .*out\.safetensors\n13 lookups \([\d,]+\/s\), p50 \d+\.\d\d ms, p99 \d+\.\d\d ms\n$/,
    );
  });

  test('accepts a file without requests', async () => {
    const none = join(dir, 'none.safetensors');
    await manyRequests(none, 1, (name, data) =>
      name.startsWith('offsets') ? BigInt64Array.of(0n) : (data.subarray(0, 0) as BigInt64Array),
    );
    expect(done('lookup', ...given(none))).toMatchObject({ requests: 0, keys: 0 });
    expect((await pooledByCli()).map(({ length }) => length)).toEqual(new Array(tables).fill(0));
    expect(done('score', ...given(none), '--dense', denseFile)).toMatchObject({ requests: 0 });
  });
});

test('score gives the logits and probabilities of PyTorch', async () => {
  expect(done('score', ...given(), '--dense', denseFile)).toMatchObject({ requests: 200, tables, out });
  for (const name of ['logit', 'prob']) {
    const expected = await withFile(requestsFile, (file) => file.read(`expected_${name}`, 'F32'));
    const got = await withFile(out, (file) => file.read(name, 'F32'));
    expect(largest(got, expected)).toBeLessThanOrEqual(1e-5);
  }
});

describe('inspect', () => {
  test('prints the tables and their memory as text', async () => {
    const { code, stdout } = flexemr('inspect', tablesFile);
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    const specs = JSON.parse(await withFile(tablesFile, async ({ metadata }) => metadata.tables));
    expect(lines[0]).toContain(`${specs.length} tables`);
    for (const [i, { name, rows, dim, mode }] of specs.entries()) {
      expect(lines[2 + i].split(/\s+/).slice(0, 4)).toEqual([name, String(rows), String(dim), mode]);
    }
    expect(lines.slice(2 + specs.length).map((line) => line.split(/\s+/)[0])).toEqual(['total', 'arenas']);
  });

  test('prints the same as JSON', async () => {
    const found = JSON.parse(flexemr('inspect', tablesFile, '--json').stdout);
    const specs = JSON.parse(await withFile(tablesFile, async ({ metadata }) => metadata.tables));
    expect(found.tables.map(({ name }: { name: string }) => name)).toEqual(
      specs.map(({ name }: { name: string }) => name),
    );
    for (const { rows, dim, bytes, as } of found.tables) {
      expect([bytes, as]).toEqual([
        rows * dim * 4,
        { f32: rows * dim * 4, f16: rows * dim * 2, int8: rows * (dim + 8), int4: rows * (dim / 2 + 4) },
      ]);
    }
    const sum = found.tables.reduce((all: number, { as }: { as: { int8: number } }) => all + as.int8, 0);
    expect(found.total.int8).toEqual({ bytes: sum, arenas: 1 });
  });

  test('shows the tensors of a file without a list of tables', async () => {
    const path = join(dir, 'bare.safetensors');
    await writeSafetensors(path, [
      { name: 'weights', dtype: 'F32', shape: [2, 3], data: new Float32Array(6) },
    ]);
    expect(flexemr('inspect', path).stdout).toMatch(/1 tensors, no table list.*\n.*\nweights +F32 +\[2, 3\]/);
    const { tensors, tables: listed } = JSON.parse(flexemr('inspect', path, '--json').stdout);
    expect([tensors, listed]).toEqual([[{ name: 'weights', dtype: 'F32', shape: [2, 3], bytes: 24 }], []]);
  });
});

describe('help', () => {
  test.for([
    ['--help'],
    ['help'],
    ['inspect', '--help'],
    ['lookup', '--help'],
    ['score', '-h'],
    ['dump', '-h'],
    ['snapshot', '-h'],
  ])('%s', (args) => {
    const { code, stdout, stderr } = flexemr(...args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('Usage: flexemr');
    if (args.length > 1) expect(stdout).toMatch(new RegExp(`Example:\n {2}flexemr ${args[0]} `));
  });
});

/** Runs a command that is refused, and expects that it writes no files. */
function expectRefused(args: string[], code: number, line: RegExp): void {
  rmSync(out, { force: true });
  const before = readdirSync(dir);
  refused(args, code, line);
  expect(existsSync(out)).toBe(false);
  expect(readdirSync(dir)).toEqual(before);
}

describe('misuse is reported on one line, with exit code 2', () => {
  test.for([
    [['lookup', '--requests', requestsFile, '--out', out], /--tables/],
    [['lookup', '--tables', tablesFile], /--requests/],
    [['lookup', '--tables', tablesFile, '--requests', requestsFile], /--out/],
    [['score', ...given()], /--dense/],
    [['dump', '--routing', 'nats://127.0.0.1:9/x', '--out', out], /--since/],
    [['dump', '--routing', 'nats://127.0.0.1:9/x', '--out', out, '--since', '-1'], /--since.*0 to/],
    [['snapshot', '--routing', 'nats://127.0.0.1:9/x'], /--out/],
    [['snapshot', '--out', out], /--routing/],
    [['lookup', ...given(), '--dtype', 'f64'], /--dtype.*f64.*f32, f16, int8, int4/],
    [['lookup', ...given(), '--threads', '0'], /--threads.*1 to 256/],
    [['lookup', ...given(), '--threads', 'two'], /--threads/],
    [['lookup', ...given(), '--threads', '1.5'], /--threads/],
    [['lookup', ...given(), '--frobnicate'], /--frobnicate/],
    [['lookup', ...given(), '--dtpye', 'int8'], /--dtpye/],
    [['inspect'], /file/],
    [['inspect', 'a', 'b'], /too many|excess/i],
    [['lokup'], /lokup/],
  ] as [string[], RegExp][])('$1', ([args, line]) => expectRefused(args, 2, line));

  test('a missing command shows the help', () => {
    const { code, stdout, stderr } = flexemr();
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain('Usage: flexemr');
  });
});

describe('bad data is reported on one line, with exit code 1', () => {
  const bad = join(dir, 'bad.safetensors');
  const last = (data: BigInt64Array, value: bigint): BigInt64Array => {
    const changed = data.slice();
    changed[changed.length - 1] = value;
    return changed;
  };
  beforeAll(() => writeFileSync(join(dir, 'text.safetensors'), 'this is no table at all'));

  test.for([
    [['inspect', join(dir, 'nowhere')], /INVALID_FILE: .*nowhere/],
    [['inspect', dir], /INVALID_FILE/],
    [['inspect', join(dir, 'text.safetensors')], /INVALID_FILE/],
    [
      ['lookup', '--tables', requestsFile, '--requests', requestsFile, '--out', out],
      /INVALID_FILE|INVALID_TABLE/,
    ],
    [
      ['lookup', '--tables', tablesFile, '--requests', tablesFile, '--out', out],
      /INVALID_FILE: .*indices_00/,
    ],
    [
      ['lookup', '--tables', tablesFile, '--requests', requestsFile, '--out', join(dir, 'no/where')],
      /no\/where/,
    ],
    [['score', ...given(), '--dense', requestsFile], /INVALID_FILE: .*ONNX/],
  ] as [string[], RegExp][])('$1', ([args, line]) => expectRefused(args, 1, line));

  test.for([
    ['a key past the end of its table', 'indices_01', 1_000_000n],
    ['a negative key', 'indices_05', -1n],
  ] as const)(
    '%s at the end of many requests: the error has the position in the file',
    async ([, name, value]) => {
      let position = -1;
      await manyRequests(bad, 30, (tensor, data) => {
        if (tensor !== name) return data;
        position = data.length - 1;
        return last(data as BigInt64Array, value);
      });
      const shown = value < 0n ? `(?:${value}|${BigInt.asUintN(64, value)})` : value;
      for (const command of [['lookup'], ['score', '--dense', denseFile]]) {
        expectRefused(
          [...command, ...given(bad)],
          1,
          new RegExp(`INVALID_KEY: .*${name}\\[${position}\\].*${shown}`),
        );
      }
    },
  );

  test('the existing file at --out is kept when a lookup fails', async () => {
    await manyRequests(bad, 1, (name, data) =>
      name === 'indices_12' ? last(data as BigInt64Array, 1n << 40n) : data,
    );
    writeFileSync(out, 'precious');
    expect(flexemr('lookup', ...given(bad)).code).toBe(1);
    expect(readFileSync(out, 'utf8')).toBe('precious');
  });

  type Change = Parameters<typeof manyRequests>[2];
  test.for([
    [
      'offsets that decrease',
      /INVALID_OFFSETS: .*offsets_02\[100\]/,
      (name, data) =>
        name === 'offsets_02' ? (data as BigInt64Array).map((offset, i) => (i === 100 ? 0n : offset)) : data,
    ],
    [
      'offsets past the keys',
      /INVALID_OFFSETS: .*offsets_02\[200\]/,
      (name, data) => (name === 'offsets_02' ? last(data as BigInt64Array, 1n << 33n) : data),
    ],
    [
      'a table with fewer requests',
      /INVALID_BAGS: .*table 3 .*199.*200/,
      (name, data) => (name === 'offsets_03' ? (data as BigInt64Array).filter((_, i) => i !== 1) : data),
    ],
    [
      'empty offsets',
      /INVALID_FILE: .*offsets_04/,
      (name, data) => (name === 'offsets_04' ? BigInt64Array.of() : data),
    ],
    [
      'missing offsets',
      /INVALID_FILE: .*offsets_07/,
      (name, data) => (name === 'offsets_07' ? undefined : data),
    ],
    [
      'missing keys',
      /INVALID_FILE: .*indices_07/,
      (name, data) => (name === 'indices_07' ? undefined : data),
    ],
    [
      'too few weights',
      /INVALID_WEIGHTS: .*weights_05/,
      (name, data) => (name === 'weights_05' ? (data as Float32Array).slice(1) : data),
    ],
  ] as [string, RegExp, Change][])('%s', async ([, line, change]) => {
    await manyRequests(bad, 1, change);
    expectRefused(['lookup', ...given(bad)], 1, line);
  });

  test('tables that a dense network cannot take', async () => {
    const table = { name: 't', rows: 700, dim: 3, mode: 'none', tensor: 't' };
    const path = join(dir, 'odd.safetensors');
    const data = { name: 't', dtype: 'F32', shape: [700, 3], data: new Float32Array(2100) } as const;
    for (const list of [[table], [{ ...table, mode: 'sum' }], []]) {
      await writeSafetensors(path, [data], { tables: JSON.stringify(list) });
      const args = [
        'score',
        '--tables',
        path,
        '--dense',
        denseFile,
        '--requests',
        requestsFile,
        '--out',
        out,
      ];
      expectRefused(args, 1, /INVALID_(TABLE|FILE|BAGS)/);
    }
  });
});

test('npm start scores the example and compares with PyTorch', () => {
  const { code, stdout, stderr } = run(join(example, 'main.ts'));
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const line = stdout.trimEnd().split('\n').at(-1) ?? '';
  const found =
    /^movielens: 200 requests, max \|Δpooled\| = (\S+), max \|Δprob\| = (\S+), AUC = (0\.\d{4})$/.exec(line);
  const [, pooled, prob, area] = (found ?? []).map(Number);
  expect(pooled).toBeLessThanOrEqual(1e-5);
  expect(prob).toBeLessThanOrEqual(1e-5);
  // Far better than random, and than with only the dense features (examples/movielens/README.md).
  expect(area).toBeGreaterThan(0.8);
});
