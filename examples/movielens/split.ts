// Splits dense.onnx into bottom.onnx, which takes `dense` alone, and top.onnx, so that a lookup need not wait for the
// bottom, nor the bottom for a lookup.   node examples/movielens/split.ts [DIR]
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readModel, writeModel } from '../onnx/graph.ts';
import { split } from '../onnx/split.ts';

const [dir = import.meta.dirname] = process.argv.slice(2);
const halves = await split(readModel(readFileSync(join(import.meta.dirname, 'dense.onnx'))), ['dense']);
mkdirSync(dir, { recursive: true });
for (const [name, model] of Object.entries(halves))
  writeFileSync(join(dir, `${name}.onnx`), writeModel(model));
