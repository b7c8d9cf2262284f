// Tables in their usual form: a checkpoint in several files, with a list of its tables in another file.
import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { SafetensorsFile, type TensorData, writeSafetensors } from '../../src/index.ts';
import { done, flexemr, refused, tablesFile } from './command.ts';
import { asked, at, out } from './lookup-files.ts';

const index = at('tables.safetensors.index.json');
const list = at('list.json');
const sharded = ['--tables', index, '--table-list', list];

beforeAll(async () => {
  await using file = await SafetensorsFile.open(tablesFile);
  const weightMap: Record<string, string> = {};
  const parts: TensorData[][] = [[], [], []];
  let next = 0;
  for (const { name, dtype, shape } of file.tensors.values()) {
    const part = next++ % parts.length;
    parts[part].push({ name, dtype, shape, data: await file.read(name) });
    weightMap[name] = `part-${part}.safetensors`;
  }
  for (const [i, tensors] of parts.entries()) await writeSafetensors(at(`part-${i}.safetensors`), tensors);
  writeFileSync(index, JSON.stringify({ metadata: { total_size: 1 }, weight_map: weightMap }));
  writeFileSync(list, file.metadata.tables);
});

describe('a checkpoint in three files with a list of tables', () => {
  test('gives the same plan as one file, including the contents', () => {
    const split = ['--nodes', '2', '--split', 'row'];
    expect(done('plan', ...sharded, ...split)).toEqual(done('plan', '--tables', tablesFile, ...split));
  });

  test.for([[], ['--nodes', '1', '--transport', 'loopback'], ['--nodes', '3']])(
    'gives the same lookups as one file: %s',
    (where) => {
      done('lookup', '--tables', tablesFile, ...asked(at('one.safetensors')), ...where);
      done('lookup', ...sharded, ...asked(), ...where);
      expect(readFileSync(out).equals(readFileSync(at('one.safetensors')))).toBe(true);
    },
  );

  test('is inspected by its list; without a list, its tensors of rows are shown', () => {
    const one = done('inspect', tablesFile);
    expect(done('inspect', index, '--table-list', list)).toEqual({
      ...one,
      file: index,
      tensors: expect.anything(),
    });
    const { code, stdout } = flexemr('inspect', index);
    expect({ code, lines: stdout.trim().split('\n').length }).toEqual({ code: 0, lines: 2 + 13 });
    expect(stdout).toContain('--suggest');
  });

  test('a suggested list can be used', () => {
    const { code, stdout } = flexemr('inspect', index, '--suggest');
    expect(code).toBe(0);
    const suggested: { name: string; mode: string }[] = JSON.parse(stdout);
    expect(suggested).toHaveLength(13);
    writeFileSync(at('suggested.json'), `\ufeff${stdout}`);
    const { tables } = done('inspect', index, '--table-list', at('suggested.json')) as {
      tables: { name: string }[];
    };
    expect(tables.map(({ name }) => name)).toEqual(suggested.map(({ name }) => name));
  });
});

test('a wrong list is refused with one line', () => {
  writeFileSync(at('bad.json'), '{');
  refused(['inspect', index, '--table-list', at('bad.json')], 1, /INVALID_FILE: .*bad\.json/);
  refused(['inspect', index, '--table-list', at('none.json')], 1, /INVALID_FILE: .*none\.json/);
  writeFileSync(at('bad.json'), '[{"name":"a"}]');
  refused(
    ['inspect', index, '--table-list', at('bad.json')],
    1,
    /INVALID_TABLE: .*list\[0\]|INVALID_TABLE: .*list: /,
  );
  refused(['inspect', index, '--table-list', list, '--suggest'], 2, /cannot be used/);
});
