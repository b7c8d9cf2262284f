// The memory of a cache of pooled bags (assembly/cache.ts). Both compilers read this file, like layout.ts. Every field is
// a u32 at the given byte offset, unless its comment says otherwise.

// The cache: a header, pins, buckets that find entries, filters that remember bags which were not found, and a log of entries.
/** 1: all bags that are not found are added. 0: only those that are worth it. */
export const CACHE_ADMITS_ALL = 0;
/** Buckets, 64-aligned, and their number. */
export const CACHE_BUCKETS = 4;
export const CACHE_BUCKET_COUNT = 8;
/** The log, 16-aligned, and its bytes, a multiple of 16. */
export const CACHE_LOG = 12;
export const CACHE_LOG_BYTES = 16;
/** Where the next entry goes, and where the oldest one is, in bytes from the start of the log; bytes between them. */
export const CACHE_HEAD = 20;
export const CACHE_TAIL = 24;
export const CACHE_USED = 28;
export const CACHE_ENTRIES = 32;
/** Two filters, 64-aligned, that remember bags which were not found: blocks of 64 bytes of each, which one is the younger, 0 or 1, ... */
export const CACHE_SEEN = 36;
export const CACHE_SEEN_BLOCKS = 40;
export const CACHE_SEEN_YOUNGER = 44;
/** ... how many bags it has, and how many it may have. */
export const CACHE_SEEN_COUNT = 48;
export const CACHE_SEEN_MAX = 52;
/** u64 that callers of lookups do not know, as PLAN_SEED. */
export const CACHE_SEED = 56;
// Counters, u64 each, since the cache was made.
/** Bags that were looked for, and those that were found; bytes of the vectors that were found. */
export const CACHE_PROBED = 64;
export const CACHE_HITS = 72;
export const CACHE_HIT_BYTES = 80;
/** Entries that were added, that made room for others, and that stayed because they had been used. */
export const CACHE_FILLED = 88;
export const CACHE_EVICTED = 96;
export const CACHE_KEPT = 104;
/** Bags that were not found, and not added, because they had not been asked for lately. */
export const CACHE_REJECTED = 112;
/** Bytes of the log that are in use before the head goes on at its start. All of them, if the next entry fitted there. */
export const CACHE_END = 120;
/** 1: no entry is added, kept or evicted, because all of them are being copied. */
export const CACHE_FROZEN = 124;
/** Pins; bytes of all pinned entries, and how many they may have. */
export const CACHE_PINS = 128;
export const CACHE_PINNED = 132;
export const CACHE_PINNED_MAX = 136;
/** While the index grows: entries whose bucket is this one or a later one are already in one of ... NONE: it does not grow. */
export const CACHE_SPLIT = 140;
/** ... so many buckets. */
export const CACHE_NEXT_BUCKET_COUNT = 144;
/** Bytes of the log that were ever written. The others are not resident. */
export const CACHE_TOUCHED = 148;
/** Ticks of keys that were updated (assembly/ticks.ts), u32 [TICK_PLACES], and the least tick of an entry that counts. */
export const CACHE_TICKS = 152;
export const CACHE_FLOOR = 156;
/** u64: entries that were found, but were older than an update. */
export const CACHE_STALE = 160;
export const CACHE_BYTES = 192;

/** A power of 2. The more keys are updated, the more entries are stale because of keys that share their places. */
export const TICK_PLACES = 262_144;
/** No entry has so late a tick. */
export const NO_TICK = 0xffff_ffff;

// A pin: a pinned table. The number of the table, or 0 if there is none now, and bytes of its entries that are pinned.
export const PIN_NUMBER = 0;
export const PIN_USED = 4;
export const PIN_BYTES = 8;

/** A bucket: the tags of its entries, then where each is: its place in the log in units of 16 bytes, + 1; 0: free. */
export const CACHE_BUCKET_ENTRIES = 8;
export const CACHE_BUCKET_PLACES = 32;
export const CACHE_BUCKET_BYTES = 64;
export const CACHE_SEEN_BLOCK_BYTES = 64;

// An entry: a pooled bag. Its keys u32 or u64, its weights, and, 16-aligned, its vector, f32 [dim]. If its table takes updates, a tick,
// u32, is in the 4 bytes before the vector.
/** u16: its size in units of 16 bytes. */
export const ENTRY_UNITS = 0;
/** u16: number of its keys. */
export const ENTRY_KEY_COUNT = 2;
/** Its hash: the bucket, and the tag. */
export const ENTRY_HASH = 4;
export const ENTRY_TAG = 8;
/** The number of its table: TABLE_NUMBER. */
export const ENTRY_TABLE = 12;
/** u8: how often it is kept when it is the oldest. It gains one each time that it is found, up to CACHE_CHANCES_MAX. */
export const ENTRY_CHANCES = 16;
/** u8: whether it has weights. u8: bytes of a key. */
export const ENTRY_WEIGHTED = 17;
export const ENTRY_KEY_BYTES = 18;
/** TABLE_PIN of its table when it was added, or 0 if there was no room for another pinned entry. */
export const ENTRY_PIN = 20;
export const ENTRY_KEYS = 24;

export const CACHE_CHANCES_MAX = 3;
// A survey of the entries, from the oldest to the newest, for a cache of another size.
/** The next entry, in bytes from the start of the log, and the bytes that are left. */
export const SURVEY_AT = 0;
export const SURVEY_LEFT = 4;
/** Bytes of other entries than those that stay pinned, by their chances, u32 [CACHE_CHANCES_MAX + 1]. */
export const SURVEY_SUMS = 8;
/** Entries with more chances are taken, and those with as many, after so many bytes of them. */
export const SURVEY_LEAST = 24;
export const SURVEY_SKIP = 28;
/** Bytes of pinned entries that may still be taken. They are taken first. */
export const SURVEY_PINNED = 40;
/** Bytes of other entries that may still be taken. Entries can gain chances between the two passes. */
export const SURVEY_ROOM = 36;
/** Number of runs of entries to take, and a list of them: where each begins, in bytes from the start of the log, and its bytes. */
export const SURVEY_RUNS = 32;
export const SURVEY_RUN_LIST = 64;
export const SURVEY_RUNS_MAX = 2048;
export const SURVEY_BYTES = 16_448;

/** Longer bags are not cached. */
export const CACHED_KEYS_MAX = 256;
/**
 * Entries that are kept for one new entry. Then the next ones make room, used or not, so that the time is bounded. If one of
 * them is pinned, the new entry is not added.
 */
export const CACHE_KEPT_MAX = 16;

/** A bag of which so many results or more of a lookup are, on average over its feature, is added at once. */
export const CACHE_SHARED_MIN = 8;

/** Bags of a lookup that are looked for together, so that their cache misses overlap. */
export const PROBED_TOGETHER = 128;
// Work memory for them: their hashes u64, then the addresses of their entries u32, or 0, or MISSED_AGAIN.
export const PROBED_ENTRIES = 1024;
/** The bag has no entry, and it was noted before, lately, that it has none. */
export const MISSED_AGAIN = 1;
/** Of those without an entry: the addresses of their words in a filter, and their numbers, u32 each. */
export const PROBED_WORDS = 1536;
export const PROBED_NUMBERS = 2048;
export const PROBED_BYTES = 2560;

// What a lookup notes of a bag to add to the cache: its number among the bags that were sent, and its hash.
export const FILL_BAG = 0;
export const FILL_HASH = 4;
export const FILL_TAG = 8;
export const FILL_BYTES = 16;
