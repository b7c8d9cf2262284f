import { FlexemrError } from '../errors.ts';

/** Other kinds of files: their first bytes, a name of the kind, and advice for the user. */
const kinds: readonly (readonly [magic: string, what: string, advice: string])[] = [
  ['PK\x03\x04', 'a zip archive, as torch.save writes', saveWithSafetensors('torch.load')],
  ['\x80\x02', 'a pickle, as old versions of torch.save write', saveWithSafetensors('torch.load')],
  ['\x80\x03', 'a pickle', saveWithSafetensors('torch.load')],
  ['\x80\x04', 'a pickle', saveWithSafetensors('torch.load')],
  ['\x80\x05', 'a pickle', saveWithSafetensors('torch.load')],
  ['version https://git-lfs', 'only a Git LFS pointer to a file', 'Fetch the file: git lfs pull'],
  ['\x93NUMPY', 'an array of NumPy (.npy)', saveWithSafetensors('numpy.load')],
  ['\x89HDF\r\n\x1a\n', 'an HDF5 file', saveWithSafetensors('h5py')],
  ['GGUF', 'a GGUF file', saveWithSafetensors('gguf')],
  ['PAR1', 'a Parquet file', saveWithSafetensors('pyarrow')],
  ['\x1f\x8b', 'compressed by gzip', 'Unpack it: gunzip'],
  ['\x28\xb5\x2f\xfd', 'compressed by Zstandard', 'Unpack it: unzstd'],
  ['BZh', 'compressed by bzip2', 'Unpack it: bunzip2'],
  ['\xfd7zXZ\x00', 'compressed by xz', 'Unpack it: unxz'],
  ['<!DOCTYPE', 'a web page', 'Fetch the file itself'],
  ['<!doctype', 'a web page', 'Fetch the file itself'],
  ['<html', 'a web page', 'Fetch the file itself'],
  ['{', 'JSON', 'Name the safetensors file, or the index of one in several files (*.safetensors.index.json)'],
  ['[', 'JSON', 'Name the safetensors file'],
];

function saveWithSafetensors(reader: string): string {
  return `Read it with ${reader}, and write its tensors with safetensors.torch.save_file (docs/export.md)`;
}

/** Number of bytes at the beginning of a file that are enough to detect its kind. */
export const fileKindBytes = 32;

/**
 * Detects a file that is not a safetensors file. In a safetensors file, the header begins at byte 8 with "{".
 * @param first the first `fileKindBytes` bytes of the file, or all of them if the file is shorter
 * @returns an error with the kind of the file and advice; undefined if it may be safetensors or its kind is unknown
 */
export function otherKind(first: Uint8Array, file: string): FlexemrError | undefined {
  if (first[8] === 0x7b) return undefined;
  const text = String.fromCharCode(...first)
    .replace(/^\xef\xbb\xbf/, '')
    .trimStart();
  const [, what, advice] =
    first.length === 0
      ? ['', 'empty', 'Fetch it again']
      : (kinds.find(([magic]) => text.startsWith(magic)) ?? []);
  if (what === undefined) return undefined;
  const message = `${file} is ${what}, not a safetensors file. ${advice}.`;
  return new FlexemrError('INVALID_FILE', message, { field: 'path', value: file });
}
