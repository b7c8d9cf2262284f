// The memory that the kernels `ask` and `mergeReplies` work on: the routing table, and one lookup. Both compilers read
// this file, like layout.ts. Every field is a u32 at the given byte offset, unless its comment says otherwise.

// The plan: the routing table, written once. A header, then records of nodes, tables and shards. The position of a
// record of a shard among those of its table is its place in the table.
/** Address of the record of the first node, and the number of nodes. */
export const PLAN_NODES = 0;
export const PLAN_NODE_COUNT = 4;
/** u64 that callers of lookups do not know. With it, nobody can choose keys that collide in hash tables. */
export const PLAN_SEED = 8;
export const PLAN_BYTES = 16;

// A node: its limits for one subrequest, and 1 if rows can be read without a request to it. The host updates them.
export const NODE_SUBREQUEST_BYTES = 0;
export const NODE_REPLY_BYTES = 4;
export const NODE_KEYS = 8;
export const NODE_READS_ROWS = 12;
export const NODE_BYTES = 16;

// A table.
export const TABLE_ROWS = 0;
export const TABLE_DIM = 4;
export const TABLE_DTYPE = 8;
export const TABLE_ROW_BYTES = 12;
/** SUM for mode `none`: each key is merged as the sum of a bag that has only this key. */
export const TABLE_MODE = 16;
/** 1: keys are pooled. 0: mode `none`, one row per key. */
export const TABLE_POOLED = 20;
/** 1: keys are u64 ids, whose hashes decide their shards. 0: keys are row numbers. */
export const TABLE_INDEXED = 24;
/** MISSING_*: the table's own policy. */
export const TABLE_MISSING = 28;
/** 1: there is a row for MISSING_DEFAULT. */
export const TABLE_HAS_DEFAULT = 32;
/** 1: there is a padding key, a u64. */
export const TABLE_HAS_PADDING = 36;
export const TABLE_PADDING = 40;
export const TABLE_VERSION = 48;
/** Number of its shards, and address of the record of the first. */
export const TABLE_SHARD_COUNT = 52;
export const TABLE_SHARDS = 56;
/** The number that its entries in the cache have. 0: its bags are not cached. */
export const TABLE_NUMBER = 60;
/** Its place among the pinned tables of the cache, from 1. 0: it is not pinned. */
export const TABLE_PIN = 64;
/** 1: its entries have a tick, because its rows change. */
export const TABLE_FOLLOWED = 68;
export const TABLE_BYTES = 72;

// A shard: the last row number or hash that it holds, its number in the routing table, and its node.
export const PLACE_LAST = 0;
export const PLACE_NUMBER = 4;
export const PLACE_NODE = 8;
export const PLACE_BYTES = 16;

// The block of a lookup. The host writes everything up to ASK_STAGE, and 0 to the fields after it.
export const ASK_PLAN = 0;
/** Number of features, and address of the record of the first. */
export const ASK_FEATURES = 4;
export const ASK_FEATURE_LIST = 8;
/** Policy of the lookup for keys without a row: MISSING_* + 1, or 0 for the policy of each table. */
export const ASK_MISSING = 12;
/** PUSH_*. */
export const ASK_PUSH_DOWN = 16;
/** 1: bags that repeat an earlier one are sent, too. */
export const ASK_SENDS_REPEATS = 140;
/** Whole tables are divided into segments of so many keys, each in a frame of its own. 0: they are not divided. */
export const ASK_SPLIT_KEYS = 144;
/** The cache (cache-layout.ts), or 0. */
export const ASK_CACHE = 148;
/** Address of the record of the first segment. */
export const ASK_SEGMENT_LIST = 20;
/** The next free address, and the end of the free memory. */
export const ASK_NEXT = 24;
export const ASK_END = 28;
/** Work memory of the current step. */
export const ASK_WORK = 32;
// Progress.
export const ASK_STAGE = 36;
export const ASK_FEATURE = 40;
export const ASK_AT = 44;
export const ASK_BAG = 48;
export const ASK_FOUND = 52;
export const ASK_SEGMENT = 56;
// Results: numbers of segments and of frames, and the record of the first frame.
export const ASK_SEGMENTS = 60;
export const ASK_FRAMES = 64;
export const ASK_FRAME_LIST = 68;
/** Number of segments whose rows are fetched, and of bags that repeat an earlier bag. */
export const ASK_FETCHED = 72;
export const ASK_REPEATED = 76;
// Why it was refused: a status, a feature, a segment; a position with the u64 at this position.
export const ASK_STATUS = 80;
export const ASK_ERROR_FEATURE = 84;
export const ASK_ERROR_SEGMENT = 88;
export const ASK_ERROR_POSITION = 92;
/** u64. */
export const ASK_ERROR_VALUE = 96;
// The fields of `openMerge` and `mergeReplies`.
/** Number of ranges of replies that are read, and the address of the first. */
export const MERGE_RANGES = 104;
export const MERGE_RANGE_LIST = 108;
/** Bytes of these ranges, of the results, and of work memory; then the addresses of results and work. */
export const MERGE_BROUGHT_BYTES = 112;
export const MERGE_RESULT_BYTES = 116;
export const MERGE_WORK_BYTES = 120;
export const MERGE_BROUGHT = 124;
export const MERGE_RESULTS = 128;
export const MERGE_WORK = 132;
/** Bytes of the results that are in use. */
export const MERGE_NEXT = 136;
export const ASK_BYTES = 192;

export const PUSH_AUTO = 0;
export const PUSH_ALWAYS = 1;
export const PUSH_NEVER = 2;

// Stages of `ask`. Those up to ASK_CHOOSE are done for one feature after the other.
export const ASK_BEGIN = 0;
export const ASK_KEYS = 1;
export const ASK_PADDING = 2;
export const ASK_UNPAD = 3;
export const ASK_UNPAD_OFFSETS = 4;
export const ASK_BAGS = 5;
export const ASK_PROBE = 6;
export const ASK_COUNT = 7;
export const ASK_SCATTER = 8;
export const ASK_CHOOSE = 9;
export const ASK_ASSIGN = 10;
export const ASK_WRITE = 11;
export const ASK_DONE = 12;
// Stages of `mergeReplies`, for one feature after the other.
export const MERGE_BEGIN = 13;
export const MERGE_POOL = 14;
export const MERGE_END = 15;
export const MERGE_HITS = 16;

// A feature. The host writes the fields up to FEATURE_INVERSE, and 0 to the others.
/** Address of the record of its table. */
export const FEATURE_TABLE = 0;
/** Keys u32 or u64. Keys of an indexed table are u64. Row numbers become u32, and padding keys are removed, in place. */
export const FEATURE_KEYS = 4;
export const FEATURE_KEY_COUNT = 8;
export const FEATURE_KEY_BYTES = 12;
/** Offsets or lengths (COUNTS_*), with memory for a u32 [bags + 1]: they become offsets, in place. */
export const FEATURE_OFFSETS = 16;
export const FEATURE_COUNTS = 20;
/** Number of offsets or lengths that were given: bags, or bags + 1. */
export const FEATURE_GIVEN = 24;
export const FEATURE_BAGS = 28;
/** f32 [keys], or 0. */
export const FEATURE_WEIGHTS = 32;
/** u32 [results]: the bag of each result. 0: result i is of bag i. Bags that repeat an earlier one set it, too. */
export const FEATURE_INVERSE = 36;
export const FEATURE_RESULTS = 40;
/** Number of keys that were given, padding included. */
export const FEATURE_KEYS_GIVEN = 44;
/** Positions of padding keys, u32, and their number. */
export const FEATURE_PADDED = 48;
export const FEATURE_PADDED_COUNT = 52;
/** The bags to send: their offsets u32 and their number. They are the bags that do not repeat an earlier one. */
export const FEATURE_SENT_OFFSETS = 56;
export const FEATURE_SENT_BAGS = 60;
/** The first of its segments, and their number. They are in shard order. */
export const FEATURE_SEGMENT = 64;
export const FEATURE_SEGMENTS = 68;
/** 1: `ask` found the inverse. 0: it was given, or there is none. */
export const FEATURE_REPEATS = 72;
/** 1: some reply lists keys of it as exceptions. */
export const FEATURE_EXCEPTIONS = 76;
/** What keys were given as: KEYS_*. Only the host uses it, for errors. */
export const FEATURE_KEY_KIND = 80;
/** 1: its table has one shard, but the bags are divided among several segments. */
export const FEATURE_PARTS = 84;
// The fields of the cache. The bags of a feature are those that `ask` would send without it.
/** Bags that it answered: how many; which, u32; their vectors, f32 [hits, dim]; and their numbers of keys, u32. */
export const FEATURE_HITS = 88;
export const FEATURE_HIT_NUMBERS = 92;
export const FEATURE_HIT_VALUES = 96;
export const FEATURE_HIT_COUNTS = 100;
/** If it answered some: the bag of each one that is sent, u32, and the number of each bag among those sent, or NONE. */
export const FEATURE_SENT_NUMBERS = 104;
export const FEATURE_SENT_PLACES = 108;
/** Bags to add to it (FILL_*), and their number. */
export const FEATURE_FILLS = 112;
export const FEATURE_FILL_COUNT = 116;
/** The offsets of the bags that are sent, while the others are looked for. */
export const FEATURE_NEXT_OFFSETS = 120;
/** 1: the cache is not used for it. The host sets it once the form of the bags is checked. */
export const FEATURE_FRESH = 124;
/** The tick of entries that are added, if TABLE_FOLLOWED. 0: none is. The host sets it once all replies are there. */
export const FEATURE_TICK = 128;
export const FEATURE_BYTES = 136;

export const KEYS_NUMBERS = 0;
export const KEYS_UNSIGNED = 1;
export const KEYS_SIGNED = 2;

/** Kinds of offsets: bit 0: u64, not u32; bit 1: lengths, not offsets. */
export const COUNTS_WIDE = 1;
export const COUNTS_LENGTHS = 2;

// A segment: the keys of some bags that one shard holds.
export const ASKED_FEATURE = 0;
/** Record of its shard. */
export const ASKED_PLACE = 4;
/** FLAG_* of the wire format. */
export const ASKED_FLAGS = 8;
/** Its keys, offsets u32 [bags + 1] and weights; the last two may be 0. */
export const ASKED_KEYS = 12;
export const ASKED_OFFSETS = 16;
export const ASKED_WEIGHTS = 20;
export const ASKED_KEY_COUNT = 24;
/** Number of bags; 0 in mode `none`. */
export const ASKED_BAGS = 28;
/** Number of results: one per bag, or one per key in mode `none`. */
export const ASKED_RESULTS = 32;
/** u32 [results]: which bag (mode `none`: which key) each result is of; 0: in order. */
export const ASKED_BAG_NUMBERS = 36;
/** If its rows are fetched: its unique keys, their number, and the place of each key among them. */
export const ASKED_UNIQUE = 40;
export const ASKED_UNIQUE_COUNT = 44;
export const ASKED_INVERSE = 48;
/** Record of its frame, and its number within it. */
export const ASKED_FRAME = 52;
export const ASKED_NUMBER = 56;
/** Its parts of the reply, in bytes from the start of the reply; its first key among all keys of the frame. */
export const ASKED_VALUES_AT = 60;
export const ASKED_COUNTS_AT = 64;
export const ASKED_DENOMINATORS_AT = 68;
export const ASKED_FIRST_KEY = 72;
/** The range that its values are in, if they are brought. */
export const ASKED_VALUES = 76;
export const ASKED_BYTES = 80;

// A frame: one subrequest.
export const SENT_NODE = 0;
/** 1: all its segments are rows that the transport can read by itself. */
export const SENT_READS = 4;
export const SENT_SEGMENTS = 8;
export const SENT_KEYS = 12;
export const SENT_ADDRESS = 16;
export const SENT_BYTES = 20;
/** Bytes of the reply without exceptions, and if every key is one and each segment has a sequence number. */
export const SENT_REPLY_BYTES = 24;
export const SENT_REPLY_BYTES_MAX = 28;
export const SENT_VALUES_BYTES = 32;
export const SENT_COUNTS_BYTES = 36;
/** Where the next segment goes: entry and payload in the frame; values, counts, denominators in the reply; first key. */
export const SENT_NEXT_ENTRY = 40;
export const SENT_NEXT_PAYLOAD = 44;
export const SENT_NEXT_VALUES = 48;
export const SENT_NEXT_COUNTS = 52;
export const SENT_NEXT_DENOMINATORS = 56;
export const SENT_NEXT_KEY = 60;
/** Set by the host once there is a reply: bytes of the reply (0: none), and number of its exceptions. */
export const SENT_REPLIED = 64;
export const SENT_EXCEPTIONS = 68;
/** The range that has the counts and everything after them; then the address of byte 0 of the reply, before them. */
export const SENT_BROUGHT = 72;
/** The last of its ranges so far, + 1. */
export const SENT_LAST_RANGE = 76;
/** 1: results are used where they are in its reply. */
export const SENT_VIEWED = 80;
/** Memory for the counts and denominators of a reply without exceptions. 1: the host wrote them. */
export const SENT_TAIL = 84;
export const SENT_TAIL_KEPT = 88;
export const SENT_RECORD_BYTES = 96;

// A range of a reply that is brought to memory: its frame's number, from which byte, how many, and to which address.
export const RANGE_FRAME = 0;
export const RANGE_FROM = 4;
export const RANGE_SIZE = 8;
export const RANGE_TO = 12;
export const RANGE_BYTES = 16;

// Status of `openAsk` and `ask`, besides DONE, MORE, BAD_KEY and BAD_OFFSETS.
/** A feature has weights, but the mode of its table takes none. */
export const BAD_WEIGHTS = 6;
/** The policy of the lookup is MISSING_DEFAULT, but the table of a feature has no default row. */
export const BAD_POLICY = 7;
/** A segment is larger than a limit of its node: ASK_ERROR_POSITION is the NODE_* field, ASK_ERROR_VALUE the size. */
export const TOO_LARGE = 8;
/** A reply counts more rows than its bags have keys, or lists wrong exceptions. See ASK_ERROR_*. */
export const BAD_COUNT = 9;
export const BAD_EXCEPTION = 10;
export const BAD_OUTCOME = 11;

/** Rows are fetched only if they take less than this share of the bytes of pooled vectors. Saving 2 % is not enough. */
export const FETCH_PERMILLE_MAX = 981;
/** If none of this number of first bags repeats another, the other bags are not compared. */
export const REPEATS_SOUGHT = 32;
/** Longer bags are not compared. */
export const REPEAT_KEYS_MAX = 4096;
/** Ranges of a reply with at most so many bytes between them are brought as one. */
export const RANGE_GAP_MAX = 2048;
