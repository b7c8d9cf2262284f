import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { FlexemrError } from '../errors.ts';
import type { Model } from '../model/model.ts';
import { checkModel, parseModel } from '../model/model-json.ts';

/**
 * The model of a file, or a model in memory, with the paths of its networks relative to this process.
 * @throws INVALID_FILE
 */
export async function readModel(given: string | Model): Promise<Model> {
  if (typeof given !== 'string') return checkModel(given, 'model');
  const json = await readFile(given, 'utf8').catch((cause: Error) => {
    const message = `cannot read the model in ${given}: ${cause.message}`;
    throw new FlexemrError('INVALID_FILE', message, { field: 'model', value: given, cause });
  });
  const model = parseModel(json, given);
  const networks = model.networks.map((network) => ({
    ...network,
    file: resolve(dirname(given), network.file),
  }));
  return { ...model, networks };
}
