import * as v from 'valibot';
import { integer, named, read } from '../check.ts';
import { releasesMax } from '../cluster-limits.ts';
import { parseJsonText } from '../json-text.ts';
import {
  contentDigestChars,
  nodeIdCharsMax,
  portMax,
  replyBytesMax,
  subrequestBytesMax,
  subrequestKeysMax,
  tablesMax,
  workersMax,
} from '../limits.ts';
import type { NodeDescription } from '../wire/handler.ts';
import { HEADER_BYTES } from '../wire/layout.ts';
import { unavailable } from './unavailable.ts';

const version = integer(1, 0xffff);
const port = v.object({ port: integer(1, portMax) });
const areDigests = (contents: Readonly<Record<string, unknown>>): boolean =>
  Object.values(contents).every(
    (digest) => typeof digest === 'string' && digest.length === contentDigestChars,
  );
const areDistinct = (workers: { port: number }[]): boolean =>
  new Set(workers.map((worker) => worker.port)).size === workers.length;

const plan = v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/));
const contents = v.optional(
  v.pipe(named, v.check(areDigests, `${contentDigestChars} characters for each table`)),
);
const release = v.looseObject({
  plan,
  state: v.picklist(['loading', 'ready', 'failed']),
  problem: v.optional(v.string()),
  idleMs: v.optional(integer(0, Number.MAX_SAFE_INTEGER)),
  contents,
});

/** The fields that rankers need to send lookups. A node that has no tables yet has no plan. */
const description = v.looseObject({
  node: v.pipe(v.string(), v.nonEmpty(), v.maxLength(nodeIdCharsMax)),
  wireVersions: v.pipe(
    v.tuple([version, version]),
    v.check(([oldest, newest]) => oldest <= newest, 'the oldest version before the newest'),
  ),
  workers: v.pipe(
    v.array(port),
    v.maxLength(workersMax),
    v.check(areDistinct, 'a different port for each worker'),
  ),
  plan: v.union([v.literal(''), plan], '16 hexadecimal digits'),
  /** Missing in descriptions of older nodes. */
  contents,
  tables: v.pipe(v.array(v.unknown()), v.maxLength(tablesMax)),
  releases: v.optional(v.pipe(v.array(release), v.maxLength(releasesMax))),
  limits: v.object({
    subrequestBytes: integer(HEADER_BYTES, subrequestBytesMax),
    replyBytes: integer(HEADER_BYTES, replyBytesMax),
    subrequestKeys: integer(1, subrequestKeysMax),
    sessionWindow: integer(1, 0xffff_ffff),
  }),
});

/** A node that is starting does not know its limits yet. */
const starting = v.looseObject({ ...description.entries, plan: v.literal(''), limits: v.unknown() });

/** Reads the answer to `GET /v1/tables`. @throws UNAVAILABLE if it is not the description of a memory node */
export function readDescription(url: string, json: string): NodeDescription {
  let given: unknown;
  try {
    given = parseJsonText(json);
  } catch (cause) {
    throw unavailable(url, 'does not answer GET /v1/tables with JSON', cause);
  }
  if (v.is(starting, given)) return given as unknown as NodeDescription;
  return read(description, given, ({ path, problem }) => {
    const why = `${path || 'it'}: ${problem}`;
    return unavailable(url, `does not answer GET /v1/tables with the description of a memory node (${why})`);
  }) as unknown as NodeDescription;
}
