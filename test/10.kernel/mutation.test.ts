// Inserts faults into the source of the kernels, one at a time. The pooling property must find each of them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import asc from 'assemblyscript/asc';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { options } from '../../assembly/build.ts';
import { instantiate } from '../../src/kernel/wasm.ts';
import { runs } from '../runs.ts';
import { assertPools } from './pool-cases.ts';

interface Fault {
  readonly name: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const faults: readonly Fault[] = [
  {
    name: 'the last row of a block is dropped',
    file: 'fold.ts',
    from: 'r < end; r += 4) {\n    const p',
    to: 'r + 4 < end; r += 4) {\n    const p',
  },
  {
    name: 'rows are folded last to first',
    file: 'fold.ts',
    from: 'for (let r = rowsOf(group, from); r < end; r += 4) {',
    to: 'for (let r = end - 4; r >= rowsOf(group, from); r -= 4) {',
  },
  {
    name: 'one row past the table is read',
    file: 'group.ts',
    from: 'i32x4.lt_u(row, limit)',
    to: 'i32x4.le_u(row, limit)',
  },
  {
    name: 'one column too many is written',
    file: 'fold.ts',
    from: 'for (; column < dim; column++) {',
    to: 'for (; column <= dim; column++) {',
  },
  {
    name: 'a −0 hides a +0 in a maximum',
    file: 'fold.ts',
    from: 'if (zero) {',
    to: 'if (zero && fresh && !fresh) {',
  },
  {
    name: 'NaN keeps its payload',
    file: 'fold.ts',
    from: 'v128.store(out, canonical(x));',
    to: 'v128.store(out, x);',
  },
  {
    name: 'halves are weighted before they are scaled up, and underflow',
    file: 'rows.ts',
    from: 'isSigned<D>() && !isWeighted<M>()',
    to: 'isSigned<D>()',
  },
  {
    name: 'scale times q plus bias is rounded once',
    file: 'rows.ts',
    from: 'return f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(four), scale), bias);',
    to: 'return f32x4.mul(f32x4.add(f32x4.convert_i32x4_s(four), f32x4.div(bias, scale)), scale);',
  },
  {
    name: 'a later shard replaces earlier shards',
    file: 'merge.ts',
    from: 'if (before == 0) memory.copy(out, partial, rowBytes);',
    to: 'if (before <= count) memory.copy(out, partial, rowBytes);',
  },
  {
    name: 'an empty segment is merged as 0',
    file: 'merge.ts',
    from: 'if (count == 0) continue;',
    to: 'if (count == 0 && load<u32>(outCounts + (i << 2)) == 0) continue;',
  },
  {
    name: 'padding counts',
    file: 'group.ts',
    from: 'note(call, outcomes + i, OUTCOME_PADDED);\n      continue;',
    to: 'note(call, outcomes + i, OUTCOME_PADDED);\n      address = load<u32>(call, CALL_TABLE);',
  },
  {
    name: 'a bag that continues in the next call drops its weights so far',
    file: 'pool.ts',
    from: 'if (denominated) denominator = load<f32>',
    to: 'if (denominated && !denominated) denominator = load<f32>',
  },
];

test.for(faults)('finds: $name', async (fault) => {
  const module = new WebAssembly.Module(await compileWith(fault));
  const kernels = (memory: WebAssembly.Memory): ReturnType<typeof instantiate> => instantiate(module, memory);
  const search = { numRuns: runs.mutantCases, seed: 1, endOnFailure: true };
  expect(() => assertPools(kernels, fc.constant('plain'), search)).toThrow(/Property failed/);
});

/** A fault is the same without the optimizer, which takes twice as long as all the rest of the compiler. */
const unoptimized = options('plain', 'kernels.wasm').filter((arg) => !['-O3s', '--converge'].includes(arg));

/** Compiles the plain build with one fault in one file. */
async function compileWith({ file, from, to }: Fault): Promise<Uint8Array<ArrayBuffer>> {
  const root = join(import.meta.dirname, '../..');
  let binary: Uint8Array<ArrayBuffer> | undefined;
  const { error, stderr } = await asc.main(unoptimized, {
    readFile(name, base) {
      try {
        const text = readFileSync(join(base.startsWith('/') ? base : join(root, base), name), 'utf8');
        if (name !== `assembly/${file}`) return text;
        expect(text.split(from), `${file} has changed: plant this fault anew`).toHaveLength(2);
        return text.replace(from, () => to);
      } catch (failure) {
        if ((failure as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw failure;
      }
    },
    writeFile(_, contents) {
      binary = contents as Uint8Array<ArrayBuffer>;
    },
    listFiles: () => [],
  });
  if (error || !binary) throw new Error(`${stderr.toString()}${error?.message}`);
  return binary;
}
