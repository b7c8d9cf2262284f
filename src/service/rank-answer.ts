import { FlexemrError } from '../errors.ts';
import type { ModelSignature } from '../model/model.ts';
import type { Scores } from '../scorer/score-task.ts';
import { shortFloat } from '../transport/float-text.ts';
import type { Slices } from '../wire/slices.ts';
import type { RankCall } from './rank-call.ts';

/** The answer to a call: candidates, best first, with the values of their outputs. */
export async function rankAnswer(
  { candidates, outputs, top }: Scores,
  call: RankCall,
  { name, version, outputs: listed, score }: ModelSignature,
  slices: Slices,
): Promise<object> {
  if (top === undefined || candidates !== call.candidates) {
    const message = `${call.candidates} candidates were to be ranked, but ${candidates} were scored`;
    throw new FlexemrError('NODE_FAILED', message);
  }
  const ranked: object[] = [];
  for (const candidate of top) {
    if (slices.over) await slices.pause();
    const values = listed.map(({ name: output, width }) => {
      const row = outputs[output].subarray(candidate * width, (candidate + 1) * width);
      return [output, width === 1 ? jsonNumber(row[0]) : Array.from(row, jsonNumber)] as const;
    });
    const best = jsonNumber(outputs[score][candidate]);
    ranked.push({ candidate, score: best, outputs: Object.fromEntries(values) });
  }
  return { model: name, version, ranked };
}

/** NaN and infinities, which JSON does not have, are strings, as in lookups. */
function jsonNumber(value: number): number | string {
  return Number.isFinite(value) ? shortFloat(value) : String(value);
}
