// Makes files of requests from those of the example.
import { SafetensorsFile, writeSafetensors } from '../../src/index.ts';
import type { TensorData } from '../../src/store/safetensors-writer.ts';
import { requestsFile } from './command.ts';

export async function withFile<T>(path: string, work: (file: SafetensorsFile) => Promise<T>): Promise<T> {
  await using file = await SafetensorsFile.open(path);
  return await work(file);
}

export /** The requests of the example, `times` times over, with changes. */
async function manyRequests(
  path: string,
  times: number,
  change: (name: string, data: BigInt64Array | Float32Array) => BigInt64Array | Float32Array | undefined = (
    _,
    data,
  ) => data,
): Promise<void> {
  const tensors: TensorData[] = await withFile(requestsFile, async (file) => {
    const read: TensorData[] = [];
    for (const { name, dtype, shape } of file.tensors.values()) {
      if (!/^(indices|offsets|weights|dense)/.test(name)) continue;
      const one = (await file.read(name)) as BigInt64Array | Float32Array;
      const wide = one instanceof BigInt64Array;
      const end = name.startsWith('offsets') && wide ? one[one.length - 1] : 0n;
      const pieces = Array.from({ length: times }, (_, i) =>
        wide && end > 0n ? one.subarray(i === 0 ? 0 : 1).map((offset) => offset + BigInt(i) * end) : one,
      );
      const all = wide
        ? BigInt64Array.from(pieces.flatMap((piece) => [...(piece as BigInt64Array)]))
        : Float32Array.from(pieces.flatMap((piece) => [...(piece as Float32Array)]));
      const data = change(name, all);
      if (data)
        read.push({
          name,
          dtype,
          shape: shape.length === 2 ? [data.length / shape[1], shape[1]] : [data.length],
          data,
        });
    }
    return read;
  });
  await writeSafetensors(path, tensors);
}
