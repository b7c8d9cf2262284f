// What ranker and node tell each other before they connect: `POST /v1/rdma/connect`, with JSON in both directions. The
// answer stays open as long as the connection does. If either side closes it, the connection ends too. Its first line is
// the node's end of the connection. Each later line is a list of all rows that may be read from then on.
import * as v from 'valibot';
import { integer, read, type Schema } from '../../check.ts';
import { FlexemrError } from '../../errors.ts';

/** HTTP header of an answer: fingerprint of the routing table of its rows. Rankers that do not know it ignore it. */
export const planHeader = 'flexemr-plan';

/** A ranker that accepts this type takes lines after the first. Others are told nothing more. */
export const linesType = 'application/x-ndjson';

/**
 * Immediates from here on are no slots: the ranker says by `knownFrom` + the number of a list that it knows the list, and that it reads
 * no rows any more that are not in it.
 */
export const knownFrom = 0x80000000;

/** Consecutive slots in one registered memory region. */
export interface Slots {
  readonly address: number;
  readonly rkey: number;
  readonly count: number;
  /** Bytes of one slot. */
  readonly bytes: number;
}

/** Rows of one shard, which rankers may read by READs. */
export interface ReadableShard {
  readonly shard: number;
  readonly version: number;
  readonly address: number;
  readonly rkey: number;
  /** Number of the first row, within the table. */
  readonly begin: number;
  readonly rows: number;
  readonly rowBytes: number;
}

/** The rows of a release, by the fingerprint of its routing table, as 16 hexadecimal digits. */
export interface ReadableRelease {
  readonly plan: string;
  readonly shards: readonly ReadableShard[];
}

/** All rows that may be read from now on. */
export interface ReadableRows {
  /** The ranker repeats it when it knows the list: see `knownFrom`. */
  readonly number: number;
  readonly releases: readonly ReadableRelease[];
}

/** What each side says about its end of the connection. */
export interface Peer {
  readonly queuePair: number;
  readonly packetNumber: number;
  readonly gid: Uint8Array;
  readonly mtu: number;
  readonly readsInFlight: number;
}

/** A ranker's end, and the slots for replies. */
export interface ConnectRequest extends Peer {
  readonly version: 1;
  readonly replies: Slots;
  readonly requestBytes: number;
}

/** A node's end, the slots for subrequests, and the rows that may be read. */
export interface ConnectAnswer extends Peer {
  readonly version: 1;
  readonly requests: Slots;
  readonly shards: readonly ReadableShard[];
}

const u32 = integer(0, 0xffffffff);
const u24 = integer(0, 0xffffff);
/** Addresses fit a JavaScript number: by default, no system gives a process more than 2^47 bytes of addresses. */
const address = integer(0, Number.MAX_SAFE_INTEGER);
const slotBytes: Schema<number> = v.pipe(integer(64, 16_777_216), v.multipleOf(64, 'a multiple of 64'));
const gid: Schema<Uint8Array> = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{32}$/),
  v.transform((hex) =>
    Uint8Array.from({ length: 16 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16)),
  ),
);
const peer = {
  version: v.literal(1),
  queuePair: u24,
  packetNumber: u24,
  gid,
  mtu: v.pipe(
    v.number(),
    v.check(
      (mtu) => [256, 512, 1024, 2048, 4096].includes(mtu),
      'an MTU of RDMA: 256, 512, 1024, 2048 or 4096',
    ),
  ),
  readsInFlight: integer(0, 255),
};
const slots = v.strictObject({ address, rkey: u32, count: integer(1, 64), bytes: slotBytes });
const readable = v.strictObject({
  ...{ shard: u32, version: u32, address, rkey: u32 },
  ...{ begin: u32, rows: u32, rowBytes: u32 },
});
const request = v.strictObject({ ...peer, replies: slots, requestBytes: slotBytes });
const answer = v.strictObject({ ...peer, requests: slots, shards: v.array(readable) });

const rows = v.strictObject({
  number: integer(0, knownFrom - 1),
  releases: v.array(
    v.strictObject({ plan: v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/)), shards: v.array(readable) }),
  ),
});

/** @throws INVALID_OPTION */
export function readRows(json: unknown): ReadableRows {
  return parse(rows, json);
}

/** @throws INVALID_OPTION */
export function readRequest(json: unknown): ConnectRequest {
  return parse(request, json);
}

/** @throws INVALID_OPTION */
export function readAnswer(json: unknown): ConnectAnswer {
  return parse(answer, json);
}

function parse<T>(schema: Schema<T>, json: unknown): T {
  return read(schema, json, ({ path, value, problem }) => {
    const field = path || 'body';
    return new FlexemrError('INVALID_OPTION', `rdma connect: ${field}: ${problem}`, { field, value });
  });
}

/** Writes the message as JSON, with its GID in hexadecimal. */
export function toJson(message: ConnectRequest | ConnectAnswer): string {
  return JSON.stringify({ ...message, gid: Buffer.from(message.gid).toString('hex') });
}
