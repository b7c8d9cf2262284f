// What the answer kernel works on, read by both compilers like layout.ts: what a memory node serves, and the answer to
// one frame (src/wire/layout.ts) on its way. Every field is a u32 at the byte offset given, unless it says otherwise.

// What is served: a header, then u32 [SERVED_SHARDS] by number in the routing table: where a shard's record is, or 0.
/** u64: fingerprint of the routing table. */
export const SERVED_PLAN = 0;
/** The largest reply, were every key an exception. */
export const SERVED_REPLY_BYTES_MAX = 8;
/** INDEX_SCRATCH_BYTES for the call at hand. */
export const SERVED_INDEX_SCRATCH = 12;
export const SERVED_SHARDS = 16;
export const SERVED_HEADER_BYTES = 64;

// A shard's record: a call block of layout.ts in which all is filled in that is the shard's own, then:
/** Version of the table. */
export const SHARD_VERSION = 128;
/** 1: keys are pooled; 0: mode `none`, rows one by one. */
export const SHARD_POOLED = 132;
/** Address of the index of its ids; 0: keys are rows. */
export const SHARD_INDEX = 136;
/** Bytes that a key weighs as work: those of its row, and of what finding it costs. */
export const SHARD_KEY_WEIGHT = 140;
/** 1: its rows lie in another memory. */
export const SHARD_AWAY = 144;
export const SHARD_BYTES = 192;

// An answer. `openAnswer` fills in what it needs; the host then says where reply and work go.
export const ANSWER_SERVED = 0;
/** Header and entries of the frame: in it, or a copy of them. */
export const ANSWER_HEAD = 4;
export const ANSWER_SEGMENTS = 8;
export const ANSWER_KEYS = 12;
export const ANSWER_TIME_LEFT_US = 16;
/** About how many bytes pooling goes through; NONE: so many or more. */
export const ANSWER_WEIGHT = 20;
/** Segments whose rows lie in another memory. */
export const ANSWER_AWAY = 24;
/** Bytes of the reply without exceptions, and how much of it is values and counts. */
export const ANSWER_REPLY_BYTES = 28;
export const ANSWER_VALUES_BYTES = 32;
export const ANSWER_COUNTS_BYTES = 36;
/** Bytes of work: first the outcomes of one segment's keys, then whatever else it needs. */
export const ANSWER_WORK_BYTES = 40;
export const ANSWER_OUTCOMES_BYTES = 44;
/** Addresses, of ANSWER_REPLY_BYTES + 4 a key, and of ANSWER_WORK_BYTES, 64-aligned. */
export const ANSWER_REPLY = 48;
export const ANSWER_WORK = 52;
// Why there is no answer: a status of the wire, and what its reply says of it.
export const ANSWER_STATUS = 56;
export const ANSWER_ERROR_SEGMENT = 60;
export const ANSWER_ERROR_POSITION = 64;
/** u64 */
export const ANSWER_ERROR_VALUE = 72;
// How far it has come: the segment at hand, its stage, ids resolved, where its part of the frame begins, keys before it;
// where its values, counts and denominators go; exceptions so far.
export const ANSWER_SEGMENT = 80;
export const ANSWER_STAGE = 84;
export const ANSWER_RESOLVED = 88;
export const ANSWER_PAYLOAD = 92;
export const ANSWER_KEYS_BEFORE = 96;
export const ANSWER_VALUES = 100;
export const ANSWER_COUNTS = 104;
export const ANSWER_DENOMINATORS = 108;
export const ANSWER_EXCEPTIONS = 112;
/** The call block of the segment at hand follows. */
export const ANSWER_CALL = 128;
export const ANSWER_BYTES = 256;

// Stages of a segment.
export const STAGE_BEGIN = 0;
export const STAGE_RESOLVE = 1;
export const STAGE_POOL = 2;

/** Status of `openAnswer` and `answer`, beside DONE and MORE: ANSWER_STATUS says why. */
export const REFUSED = 5;

/** Answers of so few bytes of rows wait for all of them together: what a second-level cache holds. */
export const ANSWER_NEAR_BYTES = 524288;
/** Whatever a segment holds, beginning it costs about as much as rows of this size. */
export const SEGMENT_WEIGHT = 4096;
/** And finding a row by its id as much as a row of this size. */
export const INDEXED_KEY_WEIGHT = 64;
/** Ids that one slice resolves. */
export const RESOLVE_KEYS = 4096;

// Limits of a frame (src/limits.ts: subrequestSegmentsMax, segmentBagsMax, subrequestKeysMax).
export const FRAME_SEGMENTS_MAX = 65536;
export const SEGMENT_BAGS_MAX = 1048576;
export const FRAME_KEYS_MAX = 2097152;
