// What ranker and node tell each other before they are connected: `POST /v1/rdma/connect`, JSON both ways. The answer
// stays open for as long as the connection does: who closes it ends both.
import * as v from 'valibot';
import { FlexemrError } from '../../errors.ts';

const u32 = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffffffff));
const u24 = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffffff));
/** Addresses of processes fit a number: no system gives them more than 2^47 bytes unasked. */
const address = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const gid = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{32}$/),
  v.transform(
    (hex): Uint8Array =>
      Uint8Array.from({ length: 16 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16)),
  ),
);

/** Slots in one registered memory, one behind the other. */
const slots = v.strictObject({
  address,
  rkey: u32,
  count: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(64)),
  bytes: v.pipe(v.number(), v.integer(), v.minValue(64), v.maxValue(16_777_216), v.multipleOf(64)),
});

const endpoint = {
  version: v.literal(1),
  queuePair: u24,
  packetNumber: u24,
  gid,
  mtu: v.pipe(v.number(), v.picklist([256, 512, 1024, 2048, 4096]), v.transform(Number)),
  readsInFlight: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(255)),
};

/** A ranker's end, and where replies go. */
const request = v.strictObject({ ...endpoint, replies: slots, requestBytes: slots.entries.bytes });

/** Rows of one shard that may be read without asking. */
const readable = v.strictObject({
  shard: u32,
  version: u32,
  address,
  rkey: u32,
  begin: u32,
  rows: u32,
  rowBytes: u32,
});

/** A node's end, where subrequests go, and which rows may be read. */
const answer = v.strictObject({ ...endpoint, requests: slots, shards: v.array(readable) });

export type Slots = v.InferOutput<typeof slots>;
export type ReadableShard = v.InferOutput<typeof readable>;
export type ConnectRequest = v.InferOutput<typeof request>;
export type ConnectAnswer = v.InferOutput<typeof answer>;

/** @throws INVALID_OPTION */
export function readRequest(json: unknown): ConnectRequest {
  return read(request, json);
}

/** @throws INVALID_OPTION */
export function readAnswer(json: unknown): ConnectAnswer {
  return read(answer, json);
}

function read<T>(schema: v.GenericSchema<unknown, T>, json: unknown): T {
  const result = v.safeParse(schema, json);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const field = v.getDotPath(issue) ?? 'body';
  const message = `rdma connect: ${field}: ${issue.message}`;
  throw new FlexemrError('INVALID_OPTION', message, { field, value: issue.input });
}

/** As it is sent, GIDs in hexadecimal. */
export function toJson(message: ConnectRequest | ConnectAnswer): string {
  return JSON.stringify({ ...message, gid: Buffer.from(message.gid).toString('hex') });
}
