// A lookup in JSON: asked of this node in a frame, like any other, and written out.
import { FlexemrError } from '../errors.ts';
import type { MissingPolicy } from '../kernel/call.ts';
import { jsonResultBytesMax } from '../limits.ts';
import { badKey } from '../plan/checked-bags.ts';
import type { Handler, Inbox } from '../wire/handler.ts';
import { wireVersion } from '../wire/layout.ts';
import { Reply, type WireError } from '../wire/reply.ts';
import { subrequestBytes, writeSubrequest } from '../wire/subrequest.ts';
import type { Hosting } from './hosting.ts';
import type { Hasher } from './id-hashes.ts';
import { jsonFeatures } from './json-answer.ts';
import { askedOf } from './json-body.ts';
import { type JsonSegment, listedOf, outgoingOf, ownSegments } from './json-cut.ts';

/**
 * Answers every bag of a lookup in JSON from the shards that this node holds (docs/openapi.json).
 * @throws INVALID_BAGS, INVALID_OPTION, UNKNOWN_TABLE, INVALID_KEY, INVALID_OFFSETS, INVALID_WEIGHTS,
 *   LIMIT_EXCEEDED, OVERLOADED, UNAVAILABLE, DEADLINE_EXCEEDED
 */
export async function lookupJson(
  handler: Handler,
  hosting: Hosting,
  hasher: Hasher,
  body: unknown,
): Promise<unknown> {
  const { features, missing } = askedOf(body, hosting.description.tables);
  const shards = new Map(hosting.shards.map((shard) => [shard.number, shard]));
  const segments = features.flatMap((feature) => ownSegments(feature, shards, hasher));
  checkSize(segments);
  // Of no bags there is nothing to ask, nor will the reply hold anything.
  const asked = segments.filter((segment) => listedOf(segment) > 0);
  const reply = await ask(handler, hosting.plan, asked, missing);
  if (reply.error) throw errorOf(reply.error, asked);
  return { features: jsonFeatures(features, segments, reply) };
}

function checkSize(segments: readonly JsonSegment[]): void {
  const bytes = segments.reduce((sum, segment) => sum + listedOf(segment) * segment.feature.table.dim * 4, 0);
  if (bytes <= jsonResultBytesMax) return;
  const message = `the answer has ${bytes} bytes of vectors; JSON carries ${jsonResultBytesMax}, so split the lookup, or send frames`;
  throw new FlexemrError('LIMIT_EXCEEDED', message, { field: 'bags', value: bytes });
}

async function ask(
  handler: Handler,
  plan: bigint,
  asked: readonly JsonSegment[],
  missing: MissingPolicy | undefined,
): Promise<Reply> {
  const outgoing = asked.map((segment) => outgoingOf(segment, missing));
  const bytes = subrequestBytes(outgoing);
  const inbox = handler.admit(bytes);
  if ('code' in inbox) throw errorOf(inbox, asked);
  try {
    const { buffer, byteOffset } = inbox.frame;
    const words = new Uint32Array(buffer, byteOffset, bytes >>> 2);
    const head = { id: 0, version: wireVersion, checksum: false, plan, timeLeftUs: 0, replyCredits: 1 };
    writeSubrequest(words, 0, head, bytes, outgoing);
    return await answerOf(inbox);
  } finally {
    inbox.release();
  }
}

/** The reply, in memory of its own. */
function answerOf(inbox: Inbox): Promise<Reply> {
  return new Promise((resolve) => inbox.answer((reply) => resolve(new Reply(Uint8Array.from(reply)))));
}

/** A node's error as the sender of the JSON understands it. */
function errorOf(error: WireError, asked: readonly JsonSegment[]): FlexemrError {
  const { code, position = 0, value } = error;
  const { feature, positions, hosted } = asked[error.segment ?? 0] ?? {};
  const name = feature?.name ?? 'bags';
  if (code === 'INVALID_KEY' && feature) {
    const what = feature.table.indexed ? 'no id' : 'no row';
    return badKey(name, positions?.[position] ?? 0, value, `is ${what} of table ${feature.table.name}`);
  }
  const place = { field: code === 'INVALID_OPTION' ? 'onMissing' : name, value, shard: hosted?.number };
  return new FlexemrError(code, `${name}: ${describe(error)}`, place);
}

function describe({ code, position, value }: WireError): string {
  switch (code) {
    case 'OVERLOADED':
      return 'the node has no room for more; try again';
    case 'UNAVAILABLE':
      return 'the node is starting or draining; try again';
    case 'DEADLINE_EXCEEDED':
      return 'the node could not answer in time';
    case 'LIMIT_EXCEEDED':
      return `${position} is over the limit of ${value}; split the lookup`;
    case 'INVALID_OPTION':
      return "onMissing: 'default' needs a defaultRow, which its table has none of";
    default:
      return `the node refuses the lookup (${code}, position ${position}, value ${value})`;
  }
}
