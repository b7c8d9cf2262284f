// The memory that the answer kernel works on: what a memory node serves, and the answer to one frame
// (src/wire/layout.ts). Both compilers read this file, like layout.ts. Every field is a u32 at the given byte offset,
// unless its comment says otherwise.

// What is served: a header, then u32 [SERVED_SHARDS]: the address of each shard's record, or 0. The position of a shard
// in this list is its number in the routing table.
/** u64: fingerprint of the routing table. */
export const SERVED_PLAN = 0;
/** Most bytes of a reply, including an exception for every key. */
export const SERVED_REPLY_BYTES_MAX = 8;
/** Most keys of a frame, and most bags of a segment. */
export const SERVED_KEYS_MAX = 12;
export const SERVED_SHARDS = 16;
export const SERVED_BAGS_MAX = 20;
export const SERVED_HEADER_BYTES = 64;

// A shard's record: a call block of layout.ts with the fields that depend on the shard only, followed by these fields:
/** Version of the table. */
export const SHARD_VERSION = 128;
/** 1: keys are pooled. 0: mode `none`, one row per key. */
export const SHARD_POOLED = 132;
/** Address of the index of its ids. 0: keys are row numbers. */
export const SHARD_INDEX = 136;
/** Work per key in bytes: those of its row, and those that finding the row is worth. */
export const SHARD_KEY_WEIGHT = 140;
/** 1: its rows are in another memory. */
export const SHARD_AWAY = 144;
/** Address of its update record, which is in the memory of its rows. 0: its table takes no updates. */
export const SHARD_UPDATES = 148;
export const SHARD_BYTES = 192;

// An update record, 64-aligned: which row updates the rows of a shard have. One thread writes it, and only while no kernel runs.
/** u64: number of the last batch of updates that the rows have. */
export const UPDATES_NUMBER = 0;
/** Incarnation of the stream of updates that the number is of, not 0. */
export const UPDATES_INCARNATION = 8;
/** UPDATES_SERVING or UPDATES_RELOADING. */
export const UPDATES_STATE = 12;
// Where to go on, for a thread that takes over; kernels do not read it. u64: the digest of the last batch; f64: its place in the log.
export const UPDATES_DIGEST = 16;
export const UPDATES_SEQUENCE = 24;
export const UPDATES_BYTES = 64;

export const UPDATES_SERVING = 0;
/** The rows are being replaced, so no answer may have any of them. */
export const UPDATES_RELOADING = 1;

// The block of an answer. `openAnswer` fills in what the answer needs; the host then sets the addresses of reply and
// work memory.
export const ANSWER_SERVED = 0;
/** Address of the header and entries: in the frame, or of a copy. */
export const ANSWER_HEAD = 4;
export const ANSWER_SEGMENTS = 8;
export const ANSWER_KEYS = 12;
export const ANSWER_TIME_LEFT_US = 16;
/** Approximate number of bytes that pooling reads. NONE: that number or more. */
export const ANSWER_WEIGHT = 20;
/** Number of segments whose rows are in another memory. */
export const ANSWER_AWAY = 24;
/** Number of segments whose rows are fetched as stored, and of their keys. */
export const ANSWER_FETCHES = 68;
export const ANSWER_FETCHED_KEYS = 124;
/** Bytes of the reply without exceptions, and the parts of it that are values, counts and sequences (0: it has none). */
export const ANSWER_REPLY_BYTES = 28;
export const ANSWER_VALUES_BYTES = 32;
export const ANSWER_COUNTS_BYTES = 36;
export const ANSWER_SEQUENCES_BYTES = 128;
/** Bytes of work memory. The outcomes of one segment's keys come first, then everything else that the segment needs. */
export const ANSWER_WORK_BYTES = 40;
export const ANSWER_OUTCOMES_BYTES = 44;
/** Addresses, 64-aligned: of ANSWER_REPLY_BYTES + 4 bytes per key, and of ANSWER_WORK_BYTES. */
export const ANSWER_REPLY = 48;
export const ANSWER_WORK = 52;
// Why there is no answer: a status of the wire format, and the fields of the error reply.
export const ANSWER_STATUS = 56;
export const ANSWER_ERROR_SEGMENT = 60;
export const ANSWER_ERROR_POSITION = 64;
/** u64 */
export const ANSWER_ERROR_VALUE = 72;
// Progress: the current segment, its stage, ids resolved, address of its part of the frame, keys before it; addresses
// of its values, counts and denominators in the reply; exceptions so far.
export const ANSWER_SEGMENT = 80;
export const ANSWER_STAGE = 84;
export const ANSWER_RESOLVED = 88;
export const ANSWER_PAYLOAD = 92;
export const ANSWER_KEYS_BEFORE = 96;
export const ANSWER_VALUES = 100;
export const ANSWER_COUNTS = 104;
export const ANSWER_DENOMINATORS = 108;
export const ANSWER_EXCEPTIONS = 112;
/** Addresses of SCRATCH_BYTES and INDEX_SCRATCH_BYTES, of the thread that continues the answer. */
export const ANSWER_SCRATCH = 116;
export const ANSWER_INDEX_SCRATCH = 120;
/** The incarnation of updates at which the current segment began. */
export const ANSWER_INCARNATION = 132;
/** The call block of the current segment. */
export const ANSWER_CALL = 192;
export const ANSWER_BYTES = 320;

// Stages of a segment.
export const STAGE_BEGIN = 0;
export const STAGE_RESOLVE = 1;
export const STAGE_POOL = 2;

/** Status of `openAnswer` and `answer`, besides DONE and MORE. ANSWER_STATUS gives the reason. */
export const REFUSED = 5;

/** Answers of at most this weight touch all their rows before pooling. It is what a second-level cache holds. */
export const ANSWER_NEAR_BYTES = 524288;
/** To begin a segment costs about as much as reading this many bytes of rows, whatever the segment holds. */
export const SEGMENT_WEIGHT = 4096;
/** To find a row by its id costs about as much as reading this many bytes of rows. */
export const INDEXED_KEY_WEIGHT = 64;
/** Most ids that one slice resolves. */
export const RESOLVE_KEYS = 4096;

/** Most segments of a frame (src/limits.ts: subrequestSegmentsMax). */
export const FRAME_SEGMENTS_MAX = 65536;
