// Everything a kernel module exports. Pointers in, status out; no statics, no heap, no strings.
export { gather } from './gather';
export { merge } from './merge';
export { pool } from './pool';
