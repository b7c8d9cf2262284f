// Every limit has a name that ends in its unit or bound, and lives here.

/** Columns of a table. */
export const dimMax = 4096;

/** Rows of a table: rows are u32, and the last u32 means "none". */
export const tableRowsMax = 4_294_967_294;

/** Rows of an indexed table: its index lives in one arena. */
export const indexedRowsMax = 180_000_000;

/** Largest key of an indexed table given as a number; beyond it numbers are no longer exact. */
export const numberKeyMax = 9_007_199_254_740_991;

/** Bags in one lookup of one feature. */
export const bagsMax = 16_777_216;

/** Keys in one lookup of one feature. */
export const keysMax = 268_435_456;

/** Tables of one store, and features of one lookup. */
export const tablesMax = 65_536;

/** A WebAssembly page, and the most pages a 32-bit memory has (4 GiB). */
export const wasmPageBytes = 65_536;
export const arenaPagesMax = 65_536;

/** safetensors: the largest header the format allows. */
export const safetensorsHeaderBytesMax = 100_000_000;

/** safetensors: names in `__metadata__`; an object of millions of names takes the process with it. */
export const safetensorsMetadataNamesMax = 65_536;

/** One piece of a file on its way into an arena; loading holds a few of them beside the rows. */
export const loadChunkBytesMax = 8_388_608;

/** Worker threads of one process. */
export const threadsMax = 256;

/** Room in each arena for the keys and results of lookups under way, unless a store is opened with other. */
export const slotBytesDefault = 134_217_728;

/** Rows of one arena; larger tables are split, always at the same rows. Leaves room for the slots beside them. */
export const shardBytesMax = 4_026_531_840;

/** Shards up to here come out of the caches fast enough that touching their rows first costs more than it brings. */
export const untouchedBytesMax = 4_194_304;

/** Lookups with fewer keys stay on the calling thread: waking another costs more than it brings. */
export const threadedKeysMin = 8_192;

/** Requests, and about how many keys, that are read from a file and looked up together. */
export const batchBagsMax = 4_096;
export const batchKeysMax = 1_048_576;
