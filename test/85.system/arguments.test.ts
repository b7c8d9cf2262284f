// Calls every function that the entries export with arguments of every kind. Each call succeeds, or fails at once with
// a typed error whose message this package wrote.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FlexemrError } from '../../src/index.ts';
import {
  type Callable,
  cases,
  entries,
  functionsOf,
  methodsOf,
  objects,
  withoutArguments,
} from './argument-cases.ts';

const home = process.cwd();
let dir: string;

// Some arbitrary texts are paths that can be written, so tests run in their own folder.
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'flexemr-arguments-'));
  process.chdir(dir);
});
afterAll(() => {
  process.chdir(home);
  rmSync(dir, { recursive: true, force: true });
});

/** Messages of a JavaScript engine, which occur if arguments were not checked. */
const engineWords =
  /Cannot |cannot be invoked|undefined|is not iterable|is not a function|is not an object|is not a constructor|Invalid (array|typed|type)|BigInt |\[object |NaN of/;

const anything = fc.anything({
  withBigInt: true,
  withDate: true,
  withMap: true,
  withSet: true,
  withTypedArray: true,
  withSparseArray: true,
  withNullPrototype: true,
  maxDepth: 2,
});
/** Values that programs often pass, but that are rarely drawn. */
const usual = fc.constantFrom<unknown>(
  ...[
    undefined,
    null,
    '',
    0,
    -1,
    1.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    2 ** 31,
    2 ** 32,
    2 ** 53,
    1n,
    true,
  ],
  ...[
    {},
    [],
    [undefined],
    () => {},
    Symbol('symbol'),
    new Uint8Array(2),
    new Float32Array(2),
    new Map(),
    'a\0b',
  ],
  ...[
    new DataView(new ArrayBuffer(8)),
    Promise.resolve(1),
    new Date(Number.NaN),
    Object.create(null),
    '__proto__',
  ],
);
const odd = fc.oneof(anything, usual);

type Change = (given: unknown) => unknown;

/** Draws valid arguments with one change: a value is another value, is missing, or has another name. */
function nearMiss(valid: readonly unknown[]): fc.Arbitrary<unknown[]> {
  return fc
    .tuple(fc.array(fc.nat({ max: 1000 }), { minLength: 1, maxLength: 6 }), odd, fc.nat({ max: 3 }))
    .map(([path, value, how]) => {
      const change: Change = how === 0 ? () => undefined : () => value;
      return valid.length === 0 ? [value] : (changed([...valid], path, change, how === 1) as unknown[]);
    });
}

function changed(at: unknown, [step, ...path]: readonly number[], change: Change, rename: boolean): unknown {
  const isList = Array.isArray(at);
  if (step === undefined || !(isList || isPlain(at))) return change(at);
  const names = Object.keys(at);
  if (names.length === 0) return change(at);
  const name = names[step % names.length];
  const fields: Record<string, unknown> = { ...(at as object) };
  const value = changed(fields[name], path, change, rename);
  if (isList) return at.map((old: unknown, i) => (String(i) === name ? value : old));
  if (rename && path.length === 0) delete fields[name];
  fields[rename && path.length === 0 ? `${name}s` : name] = value;
  return fields;
}

function isPlain(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** Calls a function, which must succeed or throw a typed error. @returns how long it took, in ms */
async function callMs(call: Callable['call'], args: readonly unknown[]): Promise<number> {
  const begin = performance.now();
  try {
    const result = await (call as (...args: unknown[]) => unknown)(...args);
    await (result as Partial<AsyncDisposable> | undefined)?.[Symbol.asyncDispose]?.();
    if (typeof result === 'function') result();
  } catch (error) {
    expect(error).toBeInstanceOf(FlexemrError);
    expect((error as Error).message).not.toMatch(engineWords);
  }
  return performance.now() - begin;
}

async function holds({ call, valid }: Callable): Promise<void> {
  // The first call of some functions loads a library, which is not part of the check of arguments.
  await callMs(call, valid);
  const given = fc.oneof(fc.array(odd, { maxLength: valid.length + 1 }), nearMiss(valid), nearMiss(valid));
  await fc.assert(
    fc.asyncProperty(given, async (args) => {
      expect(await callMs(call, args)).toBeLessThan(1000);
    }),
    { numRuns: 300 },
  );
}

describe.for(Object.keys(entries))('entry %s', (name) => {
  const exported = functionsOf(entries[name]);

  test('has a case for everything it exports', () => {
    expect(Object.keys(cases[name]).sort()).toEqual(exported.sort());
  });

  test.for(exported)('%s', async (exported) => {
    await holds(cases[name][exported]);
  });
});

test('methods of the objects that the entries return', async () => {
  for (const [object, valid] of await objects(join(dir, 'tables.safetensors'))) {
    const methods = methodsOf(
      Object.getPrototypeOf(object) === Object.prototype ? object : Object.getPrototypeOf(object),
    );
    expect(methods.filter((name) => !withoutArguments.includes(name)).sort()).toEqual(
      Object.keys(valid).sort(),
    );
    for (const [name, args] of Object.entries(valid)) {
      const call = (...given: never[]): unknown =>
        (object as Record<string, (...args: never[]) => unknown>)[name](...given);
      try {
        await holds({ call, valid: args });
      } catch (cause) {
        throw new Error(`${object.constructor.name}#${name}: ${(cause as Error).message}`, { cause });
      }
    }
  }
});
