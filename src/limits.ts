// Every limit has a name that ends in its unit and bound, and lives here.

/** Columns of a table. */
export const dimMax = 4096;

/** Rows of a row-keyed table: keys are u32, and the last u32 means "none". */
export const tableRowsMax = 2 ** 32 - 2;

/** Bags in one lookup of one feature. */
export const bagsMax = 2 ** 24;

/** Keys in one lookup of one feature. */
export const keysMax = 2 ** 28;

/** Tables of one store. */
export const tablesMax = 65_536;

/** A WebAssembly page, and the most pages one 32-bit memory can have (4 GiB). */
export const wasmPageBytes = 65_536;
export const arenaPagesMax = 65_536;

/** safetensors: the largest header the format allows. */
export const safetensorsHeaderBytesMax = 100_000_000;

/** What loading may hold beside the rows themselves. */
export const loadBufferBytesMax = 64 * 2 ** 20;

/** Worker threads of one process. */
export const threadsMax = 256;
