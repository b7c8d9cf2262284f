// Encodes and decodes the byte fields of lookup.proto.
import type { KeyedBags, Lookup, TableSpec } from '../../src/index.ts';
import type { RequestBatch } from './requests.ts';
import type { FeatureBags } from './workload.ts';

export const protoPath: string = `${import.meta.dirname}/lookup.proto`;

export interface BagsMessage {
  readonly keys: Uint8Array;
  readonly lengths: Uint8Array;
  readonly weights: Uint8Array;
}

export interface PooledMessage {
  readonly values: Uint8Array;
}

export interface ServerStarted {
  readonly port: number;
}

export function encodeBags({ features }: RequestBatch): BagsMessage {
  const lengths = features.map(({ offsets }) => offsets.subarray(1).map((end, i) => end - offsets[i]));
  return {
    keys: joined(features.map(({ keys }) => keys)),
    lengths: joined(lengths),
    weights: joined(features.flatMap(({ weights }) => weights ?? [])),
  };
}

export function decodeBags(message: BagsMessage, tables: readonly TableSpec[]): KeyedBags {
  const [keys, lengths] = [aligned(message.keys, Uint32Array), aligned(message.lengths, Uint32Array)];
  const weights = aligned(message.weights, Float32Array);
  const samples = lengths.length / tables.length;
  let [key, weight] = [0, 0];
  return Object.fromEntries(
    tables.map(({ name, weighted }, i) => {
      const own = lengths.subarray(i * samples, (i + 1) * samples);
      const count = own.reduce((sum, length) => sum + length, 0);
      const bags = {
        keys: keys.subarray(key, key + count),
        lengths: own,
        weights: weighted ? weights.subarray(weight, weight + count) : undefined,
      };
      key += count;
      if (weighted) weight += count;
      return [name, bags];
    }),
  );
}

export function encodePooled(lookup: Lookup): PooledMessage {
  return { values: joined([...lookup.values()].map(({ values }) => values)) };
}

export function decodePooled({ values }: PooledMessage, features: readonly FeatureBags[]): Float32Array[] {
  const floats = aligned(values, Float32Array);
  let begin = 0;
  return features.map(({ table, offsets }) => {
    const own = floats.subarray(begin, begin + (offsets.length - 1) * table.dim);
    begin += own.length;
    return own;
  });
}

function joined(parts: readonly ArrayBufferView[]): Buffer {
  return Buffer.concat(
    parts.map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength)),
  );
}

/** Returns a view if the bytes are aligned, else a copy. */
function aligned<Words>(
  bytes: Uint8Array,
  words: new (buffer: ArrayBufferLike, byteOffset: number, length: number) => Words,
): Words {
  const own = bytes.byteOffset % 4 === 0 ? bytes : Uint8Array.from(bytes);
  return new words(own.buffer, own.byteOffset, own.length / 4);
}
