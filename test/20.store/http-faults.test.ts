// Tables from a server with any faults are bit-identical to those from the file, or the load fails with a typed error.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { FlexemrError } from '../../src/index.ts';
import { tableAttemptsMax } from '../../src/table-limits.ts';
import { runs } from '../runs.ts';
import { type Fault, FaultyServer } from './faulty-server.ts';
import { loaded, writeFileOfTables } from './http-files.ts';
import { smallLimits } from './http-limits.ts';

vi.mock('../../src/table-limits.ts', async (original) => ({
  ...(await original<object>()),
  ...(await import('./http-limits.ts')).smallLimits,
}));

const dir = mkdtempSync(join(tmpdir(), 'flexemr-http-faults-'));
const path = join(dir, 'tables.safetensors');
let bytes: Uint8Array;
let wanted: Awaited<ReturnType<typeof loaded>>[];
const dtypes = [undefined, 'f16', 'int8'] as const;
beforeAll(async () => {
  bytes = await writeFileOfTables(path);
  wanted = await Promise.all(dtypes.map((dtype) => loaded(path, dtype)));
});
afterAll(() => rmSync(dir, { recursive: true }));

const after = fc.nat({ max: smallLimits.tableRequestBytesMax });
/** Faults that pass, so that the same request can succeed when it is repeated. */
const passing: fc.Arbitrary<Fault> = fc.oneof(
  { arbitrary: fc.record({ kind: fc.constantFrom('break', 'short'), after }), weight: 5 },
  { arbitrary: fc.record({ kind: fc.constant('stall'), after }), weight: 1 },
  {
    arbitrary: fc.record({ kind: fc.constant('status'), status: fc.constantFrom(429, 500, 502, 503, 504) }),
    weight: 3,
  },
) as fc.Arbitrary<Fault>;
/** Faults after which nothing that the server says can be trusted. */
const lasting: fc.Arbitrary<Fault> = fc.record({
  kind: fc.constantFrom(
    ...(['whole', 'wrong range', 'no length', 'other length', 'changed', 'compressed', 'long'] as const),
  ),
});

/** The faults of the requests by their numbers. */
const faults = (one: fc.Arbitrary<Fault>, maxLength: number): fc.Arbitrary<Map<number, Fault>> =>
  fc.array(fc.tuple(fc.nat({ max: 30 }), one), { maxLength }).map((list) => new Map(list));

test('faults that pass do not change a bit', async () => {
  await fc.assert(
    fc.asyncProperty(
      faults(passing, tableAttemptsMax - 2),
      fc.nat({ max: dtypes.length - 1 }),
      fc.constantFrom(1, 2),
      async (drawn, i, threads) => {
        await using server = await FaultyServer.start({ '/tables.safetensors': bytes });
        server.faultOf = (n) => drawn.get(n);
        expect(await loaded(`${server.url}/tables.safetensors`, dtypes[i], threads)).toEqual(wanted[i]);
      },
    ),
    { numRuns: runs.httpFaults },
  );
});

test('after any faults, the rows are those of the file, or there is a typed error', async () => {
  await fc.assert(
    fc.asyncProperty(
      faults(fc.oneof({ arbitrary: passing, weight: 3 }, { arbitrary: lasting, weight: 1 }), 12),
      fc.nat({ max: dtypes.length - 1 }),
      async (drawn, i) => {
        await using server = await FaultyServer.start({ '/tables.safetensors': bytes });
        server.faultOf = (n) => drawn.get(n);
        const rows = await loaded(`${server.url}/tables.safetensors`, dtypes[i]).catch((error) => error);
        const refused = server.happened.some(
          ({ kind }) => !['break', 'short', 'stall', 'status'].includes(kind),
        );
        if (refused) expect(rows).toBeInstanceOf(FlexemrError);
        if (!(rows instanceof Error)) {
          expect(rows).toEqual(wanted[i]);
          return;
        }
        expect(rows).toBeInstanceOf(FlexemrError);
        expect(['INVALID_FILE', 'UNAVAILABLE']).toContain((rows as FlexemrError).code);
        expect(rows.message).toContain(`${server.url}/tables.safetensors`);
      },
    ),
    { numRuns: runs.httpFaults, examples: [[new Map<number, Fault>([[0, { kind: 'changed' }]]), 0]] },
  );
});
