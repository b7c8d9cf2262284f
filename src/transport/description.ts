import * as v from 'valibot';
import { portMax } from '../limits.ts';
import type { NodeDescription } from '../wire/handler.ts';
import { unavailable } from './unavailable.ts';

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** What rankers read of it. */
const description = v.looseObject({
  node: v.string(),
  plan: v.string(),
  wireVersions: v.tuple([v.number(), v.number()]),
  workers: v.array(v.object({ port: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(portMax)) })),
  limits: v.object({
    subrequestBytes: count,
    replyBytes: count,
    subrequestKeys: count,
    sessionWindow: count,
  }),
});

/** Reads what `GET /v1/tables` gave. @throws UNAVAILABLE where no memory node says that */
export function readDescription(url: string, json: string): NodeDescription {
  let given: unknown;
  try {
    given = JSON.parse(json);
  } catch (cause) {
    throw unavailable(url, 'is none: it does not answer GET /v1/tables with JSON', cause);
  }
  const { success, output, issues } = v.safeParse(description, given, { abortEarly: true });
  if (success) return output as unknown as NodeDescription;
  const [issue] = issues;
  const field = v.getDotPath(issue) ?? 'it';
  throw unavailable(
    url,
    `is none: what it answers GET /v1/tables is no description (${field}: ${issue.message})`,
  );
}
