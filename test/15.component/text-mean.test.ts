// Means of word vectors over paragraphs equal those of PyTorch (test/golden/README.md).
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openComponent } from '../../src/component.ts';
import { SafetensorsFile } from '../../src/index.ts';

/** The largest difference that another order of additions can make. */
const tolerance = 5e-6;

test('text means equal those of PyTorch', async () => {
  await using file = await SafetensorsFile.open(join(import.meta.dirname, '../golden/text_mean.safetensors'));
  const rows = await file.read('table_rows', 'F32');
  const keys = Uint32Array.from(await file.read('indices_local', 'I64'), Number);
  const offsets = Uint32Array.from(await file.read('offsets', 'I64'), Number);
  const expected = await file.read('expected_mean', 'F32');
  using table = openComponent().table({ dtype: 'f32', dim: 100, rows });
  const { values } = table.pool({ keys, offsets }, { mode: 'mean' });
  expect(values.length).toBe(expected.length);
  const worst = values.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
  console.log(`${offsets.length - 1} texts, at most ${worst.toExponential(2)} from PyTorch`);
  expect(worst).toBeLessThanOrEqual(tolerance);
});
