// The held-out requests of the MovieLens example, with what PyTorch computed for them.
import { readFileSync } from 'node:fs';
import { SafetensorsFile } from '../../src/index.ts';
import { denseFile, example, requestsFile } from '../80.cli/command.ts';
import type { Floats } from './onnx-run.ts';

export interface HeldOut {
  readonly feeds: { readonly dense: Floats; readonly pooled: Floats };
  readonly probs: Float32Array;
}

export async function heldOut(): Promise<HeldOut> {
  await using file = await SafetensorsFile.open(requestsFile);
  const probs = await file.read('expected_prob', 'F32');
  const dense = { data: await file.read('dense', 'F32'), dims: [probs.length, 10] };
  const pooled = { data: await file.read('expected_pooled', 'F32'), dims: [probs.length, 13, 32] };
  return { feeds: { dense, pooled }, probs };
}

export const denseBytes = (): Uint8Array => readFileSync(denseFile);
export const halfBytes = (half: string): Uint8Array => readFileSync(`${example}/${half}.onnx`);
