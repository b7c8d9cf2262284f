// Everything a kernel module exports. Pointers in, status out; no statics, no heap, no strings.
export { deduplicate } from './deduplicate';
export { encodeRows, rowsFinite } from './encode';
export { fetch, gather } from './gather';
export { shardHashes } from './hash';
export { indexClear, indexEntries, indexFind, indexInsert, indexRemove } from './index';
export { divide, merge } from './merge';
export { pool } from './pool';
export { approach } from './touch';
