// The fields of frames; docs/wire.md explains them. Everything is little-endian and a multiple of 4 bytes long.
// A frame is u32 words at any 4-aligned address, so that a kernel can use it without a copy.

/** The version that is written. A node also answers the version before it, in that version. */
export const wireVersion = 2;
export const wireVersionOldest = 1;

/** The bytes "FXQ1" and "FXA1". */
export const SUBREQUEST_MAGIC = 0x31515846;
export const REPLY_MAGIC = 0x31415846;

// Both headers begin with the same fields.
export const FRAME_MAGIC = 0;
/** u16. */
export const FRAME_VERSION = 4;
/** u8: HEADER_FLAG_*; 0 in version 1. */
export const FRAME_FLAGS = 6;
/** Bytes of the whole frame, header included. */
export const FRAME_BYTES = 8;
/** The ranker chooses it and the node returns it, because replies arrive in any order. */
export const FRAME_ID = 12;
/** u32: checksum of the frame with 0 in this word if HEADER_FLAG_CHECKSUM is set, else 0 (assembly/checksum.ts). */
export const FRAME_CHECKSUM = 60;
export const HEADER_BYTES = 64;

/** The frame carries a checksum. A subrequest that carries one asks for a reply that carries one. */
export const HEADER_FLAG_CHECKSUM = 1;
/** In a reply: SEQUENCE_BYTES per segment precede the exceptions. */
export const HEADER_FLAG_SEQUENCES = 2;
export const HEADER_FLAGS_KNOWN = 3;

// Subrequest: header, one entry per segment, then each segment's keys, offsets and weights.
/** u64: fingerprint of the routing table that the ranker used. */
export const SUBREQUEST_PLAN = 16;
export const SUBREQUEST_SEGMENTS = 24;
/** µs until the ranker's deadline; 0: the node's own limit. */
export const SUBREQUEST_TIME_LEFT_US = 28;
/** Not 0: the reply may be sent. 0: on a stream that asked for credits, the reply is kept until a credit grants it. */
export const SUBREQUEST_REPLY_CREDITS = 32;
/** u8: flags of the trace context (W3C Trace Context, level 1). Without a trace, this and the next two fields are 0. */
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
/** One f32 weight per key follows the offsets. */
export const FLAG_WEIGHTED = 2;
/** The ranker divides, because other shards have more keys of these bags. */
export const FLAG_PARTIAL = 4;
/** Not pooled: the reply has the rows as stored, one per key. There are no offsets. */
export const FLAG_FETCH = 8;
/** Two bits: 0 is the table's own policy for keys without a row, otherwise MISSING_* + 1. */
export const FLAG_MISSING_SHIFT = 4;
export const FLAGS_KNOWN = 0x3f;

// Reply: header, values of all segments, counts, denominators of the segments that have them, sequences if there are
// any, exceptions.
/** 0, or the error (status.ts); after an error nothing follows the header. */
export const REPLY_STATUS = 16;
/** Number of subrequests that this session may have in flight. */
export const REPLY_REQUEST_CREDITS = 20;
/** Replies that may be under way to this session. */
export const REPLY_REPLY_CREDITS = 24;
/** Load: subrequests that wait at the worker, and µs that it spent on this one. */
export const REPLY_QUEUED = 28;
export const REPLY_BUSY_US = 32;
/** If refused: ms until a retry makes sense. */
export const REPLY_RETRY_AFTER_MS = 36;
/** Number of exceptions: padded, missing or defaulted keys. Each is a u32: position among all keys | outcome << 30. */
export const REPLY_EXCEPTIONS = 40;
/** Of an error: the segment, the position in it, and the u64 at that position. */
export const REPLY_ERROR_SEGMENT = 44;
export const REPLY_ERROR_POSITION = 48;
export const REPLY_ERROR_VALUE = 52;

/** The row updates that the answer of a segment has, at least. A segment of a table that takes no updates has zeros. */
/** u32: incarnation of the stream of updates. */
export const SEQUENCE_INCARNATION = 0;
/** u64: number of the last batch of the stream. */
export const SEQUENCE_NUMBER = 4;
export const SEQUENCE_BYTES = 12;

export const EXCEPTION_OUTCOME_SHIFT = 30;
export const EXCEPTION_POSITION_MASK = 0x3fffffff;

// A credit, on the credit connection of a stream: what becomes of a reply that the node keeps.
/** Id of its subrequest. */
export const CREDIT_ID = 0;
/** CREDIT_GRANT or CREDIT_DROP. */
export const CREDIT_VERB = 4;
export const CREDIT_BYTES = 8;

/** The reply may be sent. */
export const CREDIT_GRANT = 1;
/** Nobody waits for the reply: its memory is freed, and DEADLINE_EXCEEDED is the answer. */
export const CREDIT_DROP = 2;

// Errors (REPLY_STATUS). src/wire/status.ts has the error code and the HTTP status of each.
export const STATUS_INVALID_FRAME = 1;
export const STATUS_UNSUPPORTED_VERSION = 2;
export const STATUS_INVALID_KEY = 3;
export const STATUS_INVALID_OFFSETS = 4;
export const STATUS_INVALID_WEIGHTS = 5;
export const STATUS_INVALID_OPTION = 6;
export const STATUS_STALE_ROUTING = 7;
export const STATUS_LIMIT_EXCEEDED = 8;
export const STATUS_UNAVAILABLE = 10;
