// Translates the error of a node into terms of the lookup: its features, and positions in their keys.
import { FlexemrError } from '../errors.ts';
import { ASKED_FEATURE } from '../kernel/ask-layout.ts';
import { invalidReply, type WireError } from '../wire/reply.ts';
import type { AskedLookup } from './asked.ts';

/**
 * @param segment that the error names @param node that reports it; default: the one that holds the shard
 * @throws INVALID_FRAME if it names a key that was not sent
 */
export function errorOf(
  asked: AskedLookup,
  segment: number,
  error: WireError,
  node: string = asked.nodeOf(segment),
): FlexemrError {
  const feature = asked.segment(segment, ASKED_FEATURE);
  if (error.code === 'INVALID_KEY') {
    checkBlamedKey(asked, segment, error);
    return asked.badKey(feature, asked.positionOf(segment, error.position ?? 0), BigInt(error.value ?? 0));
  }
  const [shard, table] = [asked.shardOf(segment), asked.tables[feature].spec.name];
  const message = `memory node ${node}, shard ${shard} of table ${table}: ${describe(error)}`;
  const place = { node, shard, value: error.value, field: asked.names.list[feature] };
  return new FlexemrError(error.code, message, place);
}

/** Checks that the key that an error names was sent. */
function checkBlamedKey(asked: AskedLookup, segment: number, { position = 0, value }: WireError): void {
  const keys = asked.keysOf(segment);
  const key = asked.tableOf(segment).indexed
    ? (BigInt(keys[2 * position + 1] ?? 0) << 32n) | BigInt(keys[2 * position] ?? 0)
    : BigInt(keys[position] ?? 0);
  const count = asked.tableOf(segment).indexed ? keys.length >>> 1 : keys.length;
  if (position < count && key === value) return;
  throw invalidReply(`reports an error for key ${value} at position ${position}, which was not sent`, value);
}

function describe({ code, position, value, retryAfterMs }: WireError): string {
  switch (code) {
    case 'STALE_ROUTING':
      return 'it serves another plan or table version; read the routing table again';
    case 'OVERLOADED':
      return `it cannot take more subrequests now; try again in ${retryAfterMs} ms`;
    case 'UNAVAILABLE':
      return `it is starting or draining, or replaces these rows now; try again in ${retryAfterMs} ms`;
    case 'DEADLINE_EXCEEDED':
      return 'it could not answer in time';
    case 'LIMIT_EXCEEDED':
      return `${position} exceeds its limit of ${value}; split the batch`;
    default:
      return `it refuses the subrequest (${code}, position ${position}, value ${value})`;
  }
}

/**
 * The failure to report. If keys were refused, this is the first of them in the order of the features. Otherwise it is
 * the failure of the first frame.
 */
export function firstOf(failures: readonly FlexemrError[], features: readonly string[]): FlexemrError {
  const order = new Map(features.map((name, i) => [`${name}.keys`, i]));
  const featureOf = ({ code, field = '' }: FlexemrError): number =>
    (code === 'INVALID_KEY' ? order.get(field) : undefined) ?? Number.POSITIVE_INFINITY;
  return failures.reduce((first, failure) => {
    const [own, before] = [featureOf(failure), featureOf(first)];
    const earlier = own === before ? (failure.position ?? 0) < (first.position ?? 0) : own < before;
    return earlier ? failure : first;
  });
}
