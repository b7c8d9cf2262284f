// Frames, field by field; docs/wire.md says it in prose. Everything is little-endian and a multiple of 4 bytes.
// A frame is u32 words at any 4-aligned address, so that a kernel works on it where it lies.

/** The version written. A node also answers the one before it, in that version. */
export const wireVersion = 2;
export const wireVersionOldest = 1;

/** "FXQ1" and "FXA1" as they stand in the bytes. */
export const SUBREQUEST_MAGIC = 0x31515846;
export const REPLY_MAGIC = 0x31415846;

// Both headers begin alike.
export const FRAME_MAGIC = 0;
/** u16. */
export const FRAME_VERSION = 4;
/** u8: HEADER_FLAG_*; 0 in version 1. */
export const FRAME_FLAGS = 6;
/** Bytes of the whole frame, header included. */
export const FRAME_BYTES = 8;
/** Chosen by the ranker, returned by the node: replies come in any order. */
export const FRAME_ID = 12;
/** u32: of the whole frame with this word as 0, where HEADER_FLAG_CHECKSUM is set (assembly/checksum.ts); else 0. */
export const FRAME_CHECKSUM = 60;
export const HEADER_BYTES = 64;

/** The frame carries a checksum. A subrequest that carries one asks for a reply that carries one. */
export const HEADER_FLAG_CHECKSUM = 1;
/** Of a reply: SEQUENCE_BYTES a segment precede the exceptions. */
export const HEADER_FLAG_SEQUENCES = 2;
export const HEADER_FLAGS_KNOWN = 3;

// Subrequest: header, one entry a segment, then each segment's keys, offsets and weights.
/** u64: fingerprint of the routing table it was planned for. */
export const SUBREQUEST_PLAN = 16;
export const SUBREQUEST_SEGMENTS = 24;
/** µs until the ranker gives up; 0: the node's own bound. */
export const SUBREQUEST_TIME_LEFT_US = 28;
/** Replies the ranker has room for. */
export const SUBREQUEST_REPLY_CREDITS = 32;
/** u8: flags of the trace context (W3C Trace Context, level 1); 0 where there is none, as the two below. */
export const SUBREQUEST_TRACE_FLAGS = 7;
/** 16 bytes. */
export const SUBREQUEST_TRACE_ID = 36;
/** 8 bytes. */
export const SUBREQUEST_SPAN_ID = 52;

export const SEGMENT_SHARD = 0;
/** Version of the table. */
export const SEGMENT_VERSION = 4;
/** Bags in the low 24 bits, flags in the high 8. */
export const SEGMENT_BAGS = 8;
export const SEGMENT_KEYS = 12;
export const SEGMENT_BYTES = 16;

/** Keys are u64, not u32. */
export const FLAG_WIDE = 1;
/** One f32 weight a key follows the offsets. */
export const FLAG_WEIGHTED = 2;
/** Leave the division to the ranker: other shards hold more of these bags. */
export const FLAG_PARTIAL = 4;
/** Not pooled: the rows themselves, as stored, one a key. No offsets. */
export const FLAG_FETCH = 8;
/** Two bits: 0 the table's own policy for keys without a row, else MISSING_* + 1. */
export const FLAG_MISSING_SHIFT = 4;
export const FLAGS_KNOWN = 0x3f;

// Reply: header, values of every segment, then counts, then denominators of those that have them, then sequences where
// there are any, then exceptions.
/** 0, or what went wrong (status.ts); then only the header follows. */
export const REPLY_STATUS = 16;
/** Subrequests the node has room for: how many more this session may send. */
export const REPLY_REQUEST_CREDITS = 20;
/** Reply credits of the ranker that the node still holds. */
export const REPLY_REPLY_CREDITS = 24;
/** Load: subrequests waiting at the worker, and µs it spent on this one. */
export const REPLY_QUEUED = 28;
export const REPLY_BUSY_US = 32;
/** Refused: ms until it is worth trying again. */
export const REPLY_RETRY_AFTER_MS = 36;
/** Keys that were padded, missing or defaulted: so many u32 at the end, position in the frame's keys | outcome << 30. */
export const REPLY_EXCEPTIONS = 40;
/** Of an error: segment, position in it, and the u64 found there. */
export const REPLY_ERROR_SEGMENT = 44;
export const REPLY_ERROR_POSITION = 48;
export const REPLY_ERROR_VALUE = 52;

/** Where in a stream of row updates a segment was answered: u32 incarnation of the stream, u64 sequence number. */
export const SEQUENCE_BYTES = 12;

export const EXCEPTION_OUTCOME_SHIFT = 30;
export const EXCEPTION_POSITION_MASK = 0x3fffffff;

// Why there is no answer (REPLY_STATUS; src/wire/status.ts says what each is elsewhere).
export const STATUS_INVALID_FRAME = 1;
export const STATUS_UNSUPPORTED_VERSION = 2;
export const STATUS_INVALID_KEY = 3;
export const STATUS_INVALID_OFFSETS = 4;
export const STATUS_INVALID_WEIGHTS = 5;
export const STATUS_INVALID_OPTION = 6;
export const STATUS_STALE_ROUTING = 7;
export const STATUS_LIMIT_EXCEEDED = 8;
