// Batches like Meta's public traces of training data. The files have neither order nor sessions, and neither have these.
import { randomWords } from '../../data.ts';
import { buildTrace, type Emit, type Trace } from '../trace.ts';
import { type CountClass, useCounts } from '../use-counts.ts';
import { below } from '../zipf.ts';

/** What is published of a batch. */
export interface MetaBatch {
  readonly tables: number;
  readonly samples: number;
  readonly pooling: number;
  readonly usesOfRow: number;
  readonly classes: readonly CountClass[];
}

/** Published: rows used once, more than 8 times, and more than 64 times. The class between is what remains. */
export const meta2021: MetaBatch = {
  ...{ tables: 856, samples: 65_536, pooling: 15.8, usesOfRow: 887 / 128.4 },
  classes: [
    { from: 1, to: 1, rows: 0.473, accesses: 0.069 },
    { from: 2, to: 8, rows: 0.403, accesses: 0.211 },
    { from: 9, to: 64, rows: 0.116, accesses: 0.3 },
    { from: 65, to: 65_536, rows: 0.008, accesses: 0.42 },
  ],
};

/** Published: rows used more than 16 times. */
export const meta2022: MetaBatch = {
  ...{ tables: 788, samples: 131_072, pooling: 13.6, usesOfRow: 1_405 / 110.3 },
  classes: [
    { from: 1, to: 16, rows: 0.886, accesses: 0.26 },
    { from: 17, to: 131_072, rows: 0.114, accesses: 0.74 },
  ],
};

export interface MetaScale {
  readonly tables: number;
  readonly samples: number;
}

const dim = 64;

/**
 * A part of a batch: fewer tables and samples, with the same statistics of rows. A table has the touched rows alone. Bags
 * of a table have one length. Lengths are exponential over the tables, because their distribution is not published.
 */
export function metaTrace(name: string, batch: MetaBatch, scale: MetaScale, seed: number): Trace {
  const next = randomWords(seed);
  const lengths = Array.from({ length: scale.tables }, (_, i) => {
    return Math.max(1, Math.round(-Math.log(1 - (i + 0.5) / scale.tables) * batch.pooling));
  });
  const counts = lengths.map((length) => {
    return useCounts(Math.round((scale.samples * length) / batch.usesOfRow), batch.usesOfRow, batch.classes);
  });
  const tables = counts.map(({ length }, i) => ({ name: `table ${i}`, rows: length, dim }));
  return buildTrace(name, tables, (emit) =>
    emitSamples(
      counts.map((of) => shuffledUses(of, next)),
      lengths,
      emit,
    ),
  );
}

function emitSamples(uses: readonly Uint32Array[], lengths: readonly number[], emit: Emit): void {
  const samples = Math.max(...uses.map((of, table) => Math.floor(of.length / lengths[table])));
  for (let sample = 0; sample < samples; sample++) {
    for (const [table, length] of lengths.entries()) {
      const keys = uses[table].subarray(sample * length, (sample + 1) * length);
      if (keys.length === length) emit(table, keys);
    }
  }
}

/** Every row as often as it is used, in random order. */
function shuffledUses(counts: Uint32Array, next: () => number): Uint32Array {
  const uses = new Uint32Array(counts.reduce((total, count) => total + count, 0));
  let at = 0;
  for (const [row, count] of counts.entries()) {
    uses.fill(row, at, at + count);
    at += count;
  }
  for (let i = uses.length - 1; i > 0; i--) {
    const j = below(i + 1, next);
    [uses[i], uses[j]] = [uses[j], uses[i]];
  }
  return uses;
}
