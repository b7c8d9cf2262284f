import { isAbsolute, normalize } from 'node:path';
import * as v from 'valibot';
import { named, read } from '../check.ts';
import { FlexemrError, show } from '../errors.ts';
import { parseJsonText } from '../json-text.ts';
import { safetensorsFilesMax, safetensorsHeaderBytesMax } from '../limits.ts';
import type { Files } from './byte-source.ts';
import { shownPath } from './table-url.ts';

/** The content of an index: the file that each tensor is in. Paths are relative to the folder of the index. */
export interface SafetensorsIndex {
  readonly files: readonly string[];
  readonly fileOf: ReadonlyMap<string, string>;
  readonly metadata: Readonly<Record<string, string>>;
}

const index = v.looseObject({ metadata: v.optional(named), weight_map: named });

/** Reads a `*.safetensors.index.json`, the index of a large checkpoint in several files. @throws as Files.text */
export async function readIndex(from: Files, at: string): Promise<SafetensorsIndex> {
  const path = shownPath(at);
  const text = await from.text(at, safetensorsHeaderBytesMax);
  const given = read(index, parse(path, text), ({ path: found, value, problem }) => {
    const field = found || 'weight_map';
    return invalid(
      path,
      field,
      value,
      `${field}: ${problem}. An index must have a "weight_map" with the file of each tensor`,
    );
  });
  const { metadata = {}, weight_map: weightMap } = given;
  const fileOf = new Map<string, string>();
  for (const [tensor, file] of Object.entries(weightMap)) fileOf.set(tensor, checkInside(path, tensor, file));
  const files = [...new Set(fileOf.values())];
  if (files.length === 0) throw invalid(path, 'weight_map', 0, 'weight_map names no tensors');
  if (files.length > safetensorsFilesMax) {
    const problem = `weight_map names ${files.length} files; at most ${safetensorsFilesMax} are opened`;
    throw invalid(path, 'weight_map', files.length, problem);
  }
  const texts = Object.entries(metadata).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return { files, fileOf, metadata: Object.fromEntries(texts) };
}

function parse(path: string, text: string): unknown {
  try {
    return parseJsonText(text);
  } catch (cause) {
    throw invalid(path, 'index', undefined, (cause as Error).message, cause);
  }
}

/** Refuses a file outside of the folder of the index, so that a foreign index cannot make us read other files. */
function checkInside(path: string, tensor: string, file: unknown): string {
  const inside = typeof file === 'string' && file !== '' && !isAbsolute(file) && !/[\\\0]/.test(file);
  if (inside && !normalize(file).startsWith('..')) return file;
  const problem = `weight_map.${tensor} = ${show(file)} is not the name of a file in the folder of the index`;
  throw invalid(path, `weight_map.${tensor}`, file, problem);
}

function invalid(
  path: string,
  field: string,
  value: unknown,
  problem: string,
  cause?: unknown,
): FlexemrError {
  return new FlexemrError('INVALID_FILE', `${path}: ${problem}.`, { field, value, cause });
}
