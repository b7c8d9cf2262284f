// Answers a lookup in JSON: sends it to this node as a frame, like any other lookup, and writes the reply as JSON.
import { FlexemrError } from '../errors.ts';
import { jsonKeysAtOnce, jsonResultBytesMax, jsonSegmentsAtOnce } from '../limits.ts';
import { badKey } from '../plan/checked-bags.ts';
import { unreadIdentity } from '../wire/frame-identity.ts';
import type { Handler, Inbox } from '../wire/handler.ts';
import { wireVersion } from '../wire/layout.ts';
import { Reply, type WireError } from '../wire/reply.ts';
import type { Slices } from '../wire/slices.ts';
import { type OutgoingSegment, subrequestBytes, writeSubrequest } from '../wire/subrequest.ts';
import type { Hosting } from './hosting.ts';
import type { Hasher } from './id-hashes.ts';
import { JsonAnswers } from './json-answer.ts';
import { type JsonFeature, requestOf } from './json-body.ts';
import { type JsonSegment, listedOf, outgoingOf, ownShards, segmentsOf } from './json-cut.ts';

/**
 * Answers every bag of a lookup in JSON from the shards that this node holds (docs/openapi.json), in slices.
 * @throws INVALID_BAGS, INVALID_OPTION, UNKNOWN_TABLE, INVALID_KEY, INVALID_OFFSETS, INVALID_WEIGHTS,
 *   LIMIT_EXCEEDED, OVERLOADED, UNAVAILABLE, DEADLINE_EXCEEDED
 */
export async function lookupJson(
  handler: Handler,
  hosting: Hosting,
  hasher: Hasher,
  body: unknown,
  slices: Slices,
): Promise<object> {
  const served = new Map(hosting.description.tables.map((table) => [table.name, table]));
  const { features, missing } = await requestOf(body, served, slices);
  const answers = new JsonAnswers(features);
  for (const segments of await groupsOf(features, hosting, hasher, slices)) {
    // Segments without results are not asked for, and the reply contains nothing for them.
    const asked = segments.filter((segment) => listedOf(segment) > 0);
    const outgoing: OutgoingSegment[] = [];
    for (const segment of asked) outgoing.push(await outgoingOf(segment, missing, slices));
    const reply = await ask(handler, hosting.plan, outgoing);
    if (reply.error) throw errorOf(reply.error, asked);
    await answers.add(segments, reply, slices);
  }
  return { features: answers.features };
}

/** Groups the segments of each subrequest. A large lookup becomes several small subrequests. @throws LIMIT_EXCEEDED */
async function groupsOf(
  features: readonly JsonFeature[],
  { shards, description }: Hosting,
  hasher: Hasher,
  slices: Slices,
): Promise<JsonSegment[][]> {
  const hosted = new Map(shards.map((shard) => [shard.number, shard]));
  const own = new Map(description.tables.map((table) => [table, ownShards(table, hosted)]));
  const groups: JsonSegment[][] = [];
  let [resultBytes, keys] = [0, 0];
  for (const feature of features) {
    for (const segment of await segmentsOf(feature, own.get(feature.table) ?? [], hasher, slices)) {
      resultBytes += listedOf(segment) * feature.table.dim * 4;
      checkSize(resultBytes);
      const last = groups.at(-1);
      if (last !== undefined && keys < jsonKeysAtOnce && last.length < jsonSegmentsAtOnce) last.push(segment);
      else {
        groups.push([segment]);
        keys = 0;
      }
      keys += segment.positions.length;
    }
    await slices.pause();
  }
  return groups;
}

function checkSize(bytes: number): void {
  if (bytes <= jsonResultBytesMax) return;
  const message = `the answer has ${bytes} bytes of vectors or more, but JSON can carry at most ${jsonResultBytesMax}; split the lookup, or send frames`;
  throw new FlexemrError('LIMIT_EXCEEDED', message, { field: 'bags', value: bytes });
}

async function ask(handler: Handler, plan: bigint, outgoing: readonly OutgoingSegment[]): Promise<Reply> {
  const bytes = subrequestBytes(outgoing);
  const inbox = handler.admit(bytes);
  if ('code' in inbox) return new Reply(handler.refuse(unreadIdentity, inbox));
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

/** The reply, copied to memory of its own. */
function answerOf(inbox: Inbox): Promise<Reply> {
  return new Promise((resolve) => inbox.answer((reply) => resolve(new Reply(Uint8Array.from(reply)))));
}

/** Converts a node's error to one about the fields of the JSON. */
function errorOf(error: WireError, asked: readonly JsonSegment[]): FlexemrError {
  const { code, position = 0, value } = error;
  const { feature, positions, hosted } = asked[error.segment ?? 0] ?? {};
  const name = feature?.name ?? 'bags';
  if (code === 'INVALID_KEY' && feature) {
    const what = feature.table.indexed ? 'an id' : 'a row';
    return badKey(name, positions?.[position] ?? 0, value, `is not ${what} of table ${feature.table.name}`);
  }
  const place = { field: code === 'INVALID_OPTION' ? 'onMissing' : name, value, shard: hosted?.number };
  return new FlexemrError(code, `${name}: ${describe(error)}`, place);
}

function describe({ code, position, value }: WireError): string {
  switch (code) {
    case 'OVERLOADED':
      return 'the node has no space for more; try again';
    case 'UNAVAILABLE':
      return 'the node is starting or draining; try again';
    case 'DEADLINE_EXCEEDED':
      return 'the node could not answer in time';
    case 'LIMIT_EXCEEDED':
      return `${position} is over the limit of ${value}; split the lookup`;
    case 'INVALID_OPTION':
      return "onMissing: 'default' needs a defaultRow, but the table has none";
    default:
      return `the node refuses the lookup (${code}, position ${position}, value ${value})`;
  }
}
