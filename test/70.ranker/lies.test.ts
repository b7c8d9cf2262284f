// Wrong replies of a node: a ranker compares every field with its request, and the error names the wrong field.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FlexemrError, type KeyedBags } from '../../src/index.ts';
import type { Ranker } from '../../src/ranker/ranker.ts';
import * as wire from '../../src/wire/layout.ts';
import { statusOf } from '../../src/wire/status.ts';
import { Meddler } from '../60.transport/meddler.ts';
import { tables } from '../60.transport/rig.ts';
import { Cluster } from '../cluster.ts';
import { runs } from '../runs.ts';

let cluster: Cluster;
let ranker: Ranker;
let node: Meddler;

beforeAll(async () => {
  const wrap = (handler: ConstructorParameters<typeof Meddler>[0]): Meddler => {
    node = new Meddler(handler);
    return node;
  };
  cluster = await Cluster.start({ tables, nodes: 1, ports: false, wrap });
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

/** A wrong word of a reply, with the byte offset of its field. */
type Lie = readonly [field: number, value: number];

function tell(lies: readonly Lie[]): void {
  node.reply = (frame) => {
    const words = new Uint32Array(frame.slice().buffer);
    for (const [field, value] of lies) words[field >>> 2] = value;
    return new Uint8Array(words.buffer);
  };
}

/** Every bag has one key, so that no count is over 1. Both ids have no row, so they are exceptions. */
const bags: KeyedBags = {
  sum: { keys: [1, 2, 3], offsets: [0, 1, 2] },
  ids: { keys: BigUint64Array.of(7n, 8n), offsets: [0, 1] },
};

/** @returns the error of a lookup, or undefined if it is answered */
async function refusal(deadline = 2_000): Promise<FlexemrError | undefined> {
  // A ranker allows retries only as a share of its requests, so each lie gets a new ranker.
  ranker = await cluster.ranker({ transport: 'loopback', pushDown: 'always' });
  try {
    await ranker.lookup(bags, { deadline });
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(FlexemrError);
    expect((error as Error).message).not.toMatch(/undefined|Cannot |is not a function|not iterable|NaN/);
    return error as FlexemrError;
  } finally {
    await ranker.close();
  }
}

const invalidKey: Lie = [wire.REPLY_STATUS, statusOf('INVALID_KEY')];
const versionTwo = (flags: number): number => wire.wireVersion | (flags << 16);

/** The counts follow the values of both tables: three vectors of 16 numbers, and two of 5. */
const countsAt = wire.HEADER_BYTES + 3 * 16 * 4 + 2 * 5 * 4;

test.for<[string, readonly Lie[], RegExp]>([
  ['another version', [[wire.FRAME_VERSION, 9]], /version 9/],
  ['no version', [[wire.FRAME_VERSION, 0]], /version 0/],
  ['unknown flags', [[wire.FRAME_VERSION, versionTwo(4)]], /flags 4/],
  ['flags of a version without any', [[wire.FRAME_VERSION, 1 | (1 << 16)]], /flags 1/],
  ['missing sequences', [[wire.FRAME_VERSION, versionTwo(2)]], /bytes/],
  ['another id', [[wire.FRAME_ID, 77]], /id 77/],
  ['the id 0', [[wire.FRAME_ID, 0]], /id 0/],
  ['more exceptions than keys', [[wire.REPLY_EXCEPTIONS, 6]], /6 keys/],
  ['missing exceptions', [[wire.REPLY_EXCEPTIONS, 1]], /bytes/],
  ['the largest u32 as the number of exceptions', [[wire.REPLY_EXCEPTIONS, 0xffffffff]], /4294967295/],
  ['a count over the keys of its bag', [[countsAt, 2]], /2 rows for 1/],
  ['an exception past the keys', [[countsAt + 5 * 4, 5 | (2 << 30)]], /key 5/],
  ['an unknown outcome', [[countsAt + 5 * 4, 3]], /outcome 0/],
  ['exceptions that do not ascend', [[countsAt + 6 * 4, 3 | (2 << 30)]], /key 3/],
  ['an error with results behind it', [[wire.REPLY_STATUS, statusOf('OVERLOADED')]], /error has/],
])('%s', async ([, lies, message]) => {
  tell(lies);
  const error = await refusal();
  expect(error?.code).toBe('INVALID_FRAME');
  expect(error?.message).toMatch(message);
  expect(error?.node).toBe('n0');
});

/** Makes the node reply with an error, which is only a header. */
function blame(...lies: readonly Lie[]): void {
  node.reply = (frame) => {
    const words = new Uint32Array(frame.slice(0, wire.HEADER_BYTES).buffer);
    words[wire.FRAME_BYTES >>> 2] = wire.HEADER_BYTES;
    words[wire.REPLY_EXCEPTIONS >>> 2] = 0;
    for (const [field, value] of lies) words[field >>> 2] = value;
    return new Uint8Array(words.buffer);
  };
}

test.for<[string, readonly Lie[], RegExp]>([
  ['a segment that was not requested', [invalidKey, [wire.REPLY_ERROR_SEGMENT, 999]], /segment 999 of 2/],
  ['a position past the keys', [invalidKey, [wire.REPLY_ERROR_POSITION, 3]], /position 3/],
  ['a key that was not sent', [invalidKey, [wire.REPLY_ERROR_VALUE, 5]], /key 5/],
])('an error that names %s', async ([, lies, message]) => {
  blame(...lies);
  const error = await refusal();
  expect([error?.code, error?.message]).toEqual(['INVALID_FRAME', expect.stringMatching(message)]);
});

test('an error can name a key that was sent, and an unknown status is a failure of the node', async () => {
  blame(invalidKey, [wire.REPLY_ERROR_POSITION, 2], [wire.REPLY_ERROR_VALUE, 3]);
  expect(await refusal()).toMatchObject({ code: 'INVALID_KEY', field: 'sum.keys', position: 2 });
  blame([wire.REPLY_STATUS, 4_000_000_000]);
  expect(await refusal()).toMatchObject({ code: 'NODE_FAILED', node: 'n0' });
});

test('for any words in a header, a lookup ends with results or a typed error', async () => {
  const word = fc.oneof(fc.nat({ max: 70 }), fc.integer({ min: 0, max: 0xffffffff }));
  const lie = fc.tuple(
    fc.nat({ max: 15 }).map((at) => at * 4),
    word,
  );
  await fc.assert(
    fc.asyncProperty(fc.array(lie, { minLength: 1, maxLength: 3 }), fc.boolean(), async (lies, isError) => {
      if (isError) blame(...lies);
      else tell(lies);
      // Most errors lead to retries, so a short deadline saves time.
      await refusal(30);
    }),
    { numRuns: runs.lies },
  );
});
