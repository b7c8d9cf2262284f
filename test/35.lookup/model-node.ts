// A memory node in plain TypeScript, which answers one frame with the reference.

import type { MissingPolicy } from '../../src/kernel/call.ts';
import { OUTCOME_DEFAULTED, OUTCOME_MISSING, OUTCOME_PADDED } from '../../src/kernel/layout.ts';
import { divides } from '../../src/kernel/pooling-mode.ts';
import { canonical, foldSegment, mergePartials, type Partial } from '../../src/kernel/reference.ts';
import type { LookupTable } from '../../src/lookup/lookup-table.ts';
import type { CheckedReply } from '../../src/lookup/merged.ts';
import { EXCEPTION_OUTCOME_SHIFT, FRAME_VERSION, HEADER_BYTES, wireVersion } from '../../src/wire/layout.ts';
import { type IncomingSegment, readSubrequest } from '../40.wire/read-subrequest.ts';

export interface ModelRows {
  readonly table: LookupTable;
  readonly rows: readonly Float32Array[];
  readonly ids: readonly bigint[];
  readonly defaultRow: Float32Array;
}

interface Part {
  readonly values: Float32Array;
  readonly counts: readonly number[];
  readonly denominators: readonly number[];
  readonly exceptions: readonly number[];
}

/** The reply to a frame of `ask`. */
export function replyOf(
  frame: Uint32Array,
  tables: readonly ModelRows[],
): CheckedReply & { release(): void } {
  const words = frame.slice();
  words[FRAME_VERSION >>> 2] = wireVersion;
  const subrequest = readSubrequest(words, 0, words.byteLength);
  if ('code' in subrequest) throw new RangeError(`the frame is refused: ${JSON.stringify(subrequest)}`);
  let keysBefore = 0;
  const parts = subrequest.segments.map((segment) => {
    const rows = tables.find(({ table }) => table.shards.some(({ number }) => number === segment.shard));
    if (rows === undefined) throw new RangeError(`there is no shard ${segment.shard}`);
    const part = answer(words, segment, rows, keysBefore);
    keysBefore += segment.keys;
    return part;
  });
  const all = [
    ...parts.map(({ values }) => new Uint32Array(values.buffer)),
    ...parts.map(({ counts }) => Uint32Array.from(counts)),
    ...parts.map(({ denominators }) => new Uint32Array(Float32Array.from(denominators).buffer)),
  ];
  const exceptions = parts.flatMap((part) => part.exceptions);
  const body = [...all, Uint32Array.from(exceptions)].flatMap((part) => [...part]);
  const bytes = new Uint8Array(HEADER_BYTES + body.length * 4);
  bytes.set(new Uint8Array(Uint32Array.from(body).buffer), HEADER_BYTES);
  return { bytes, exceptionCount: exceptions.length, viewed: false, release: () => {} };
}

function answer(words: Uint32Array, segment: IncomingSegment, of: ModelRows, keysBefore: number): Part {
  const { table, rows, ids, defaultRow } = of;
  const { mode, dim } = table.spec;
  const missing: MissingPolicy = segment.missing ?? table.spec.missing ?? 'error';
  const exceptions: number[] = [];
  const rowsOf = Array.from({ length: segment.keys }, (_, i): Float32Array | undefined => {
    const at = (segment.keysAt >>> 2) + (segment.wide ? 2 * i : i);
    const key = segment.wide ? (BigInt(words[at + 1]) << 32n) | BigInt(words[at]) : BigInt(words[at]);
    const note = (outcome: number): void => {
      exceptions.push((keysBefore + i) | (outcome << EXCEPTION_OUTCOME_SHIFT));
    };
    if (key === table.padding) {
      note(OUTCOME_PADDED);
      return undefined;
    }
    const row = rows[ids.indexOf(key)];
    if (row !== undefined) return row;
    note(missing === 'default' ? OUTCOME_DEFAULTED : OUTCOME_MISSING);
    return missing === 'default' ? defaultRow : undefined;
  }).map((row) => row);
  const flat = (vectors: readonly (Float32Array | undefined)[]): Float32Array =>
    Float32Array.from(vectors.flatMap((row) => [...(row ?? new Float32Array(dim))]));
  if (segment.fetch)
    return { values: flat(rowsOf), counts: [], denominators: [], exceptions: unsigned(exceptions) };
  if (mode === 'none') {
    const counts = rowsOf.map((row) => Number(row !== undefined));
    return { values: canonical(flat(rowsOf)), counts, denominators: [], exceptions: unsigned(exceptions) };
  }
  const weights =
    segment.weightsAt === 0 ? undefined : new Float32Array(words.buffer, segment.weightsAt, segment.keys);
  const partials = Array.from({ length: segment.bags }, (_, bag): Partial => {
    const [begin, end] = [0, 1].map((i) => words[(segment.offsetsAt >>> 2) + bag + i]);
    const held = Array.from({ length: end - begin }, (_, i) => begin + i).filter(
      (i) => rowsOf[i] !== undefined,
    );
    const own = weights && Float32Array.from(held, (i) => weights[i]);
    return foldSegment(
      mode,
      dim,
      held.map((i) => rowsOf[i] as Float32Array),
      own,
    );
  });
  const values = partials.map((partial) => {
    if (partial.count === 0) return new Float32Array(dim);
    return segment.partial ? partial.values : mergePartials(mode, dim, [partial], weights !== undefined);
  });
  const denominated = segment.partial && weights !== undefined && divides(mode);
  return {
    values: flat(values),
    counts: partials.map(({ count }) => count),
    denominators: denominated ? partials.map(({ denominator }) => denominator) : [],
    exceptions: unsigned(exceptions),
  };
}

function unsigned(exceptions: readonly number[]): number[] {
  return exceptions.map((exception) => exception >>> 0);
}
