;; Pools three bags of a small table with flexemr's kernels, module to module: docs/embedding.md says how. Sums go to
;; standard output as f32, little-endian.
(module
  (import "env" "memory" (memory 1))
  (import "kernels" "pool" (func $pool (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (func (export "main")
    ;; Four rows of three columns at 64, keys at 128, offsets at 192.
    (v128.store (i32.const 64) (v128.const f32x4 1 2 3 10))
    (v128.store (i32.const 80) (v128.const f32x4 20 30 100 200))
    (v128.store (i32.const 96) (v128.const f32x4 300 -1 -2 -3))
    (v128.store (i32.const 128) (v128.const i32x4 0 1 2 2))
    (i32.store (i32.const 144) (i32.const 3))
    (v128.store (i32.const 192) (v128.const i32x4 0 2 2 5))
    ;; The call at 256, field by field as in flexemr.h; what is 0 is left out.
    (v128.store (i32.const 256) (v128.const i32x4 64 4 0 4)) ;; TABLE, ROWS, ROW_BASE, TABLE_ROWS
    (v128.store (i32.const 272) (v128.const i32x4 12 3 0 0)) ;; ROW_BYTES, DIM, DTYPE, FINITE
    (i32.store (i32.const 300) (i32.const 128)) ;; KEYS
    (v128.store (i32.const 304) (v128.const i32x4 4 5 192 0)) ;; KEY_BYTES, KEY_COUNT, OFFSETS, WEIGHTS
    (v128.store (i32.const 320) (v128.const i32x4 0 3 0 -1)) ;; BAG, BAG_END, KEY, PADDING
    (v128.store (i32.const 336) (v128.const i32x4 0 0 1 512)) ;; MISSING, DEFAULT_ROW, LAST_SHARD, OUT
    (v128.store (i32.const 352) (v128.const i32x4 576 0 640 1024)) ;; COUNTS, DENOMINATORS, OUTCOMES, SCRATCH
    (if (i32.ne (call $pool (i32.const 256) (i32.const -1)) (i32.const 0)) (then unreachable))
    ;; Three vectors are 36 bytes.
    (i64.store (i32.const 704) (i64.const 0x2400000200)) ;; their address, 512, and bytes
    (if (call $write (i32.const 1) (i32.const 704) (i32.const 1) (i32.const 712)) (then unreachable))))
