/* The runtime that C code made by wasm2c (wabt 1.0.39) needs: a memory that checks every access, and traps that end the
 * process. This is a small runtime of our own, which is enough for modules without tables and exceptions. */
#ifndef WASM_RT_H_
#define WASM_RT_H_

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WABT_BIG_ENDIAN 0
#define WASM_RT_USE_SEGUE 0
#define WASM_RT_SANITY_CHECKS 0
#define WASM_RT_STACK_DEPTH_COUNT 0
#define WASM_RT_MEMCHECK_BOUNDS_CHECK 1
#define WASM_RT_MEMCHECK_GUARD_PAGES 0
#define wasm_rt_memcpy memcpy

#ifndef __has_builtin
#define __has_builtin(x) 0
#endif
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define wasm_rt_unreachable __builtin_unreachable

typedef enum { WASM_RT_I32, WASM_RT_I64, WASM_RT_F32, WASM_RT_F64, WASM_RT_V128, WASM_RT_FUNCREF } wasm_rt_type_t;
typedef enum {
  WASM_RT_TRAP_NONE,
  WASM_RT_TRAP_OOB,
  WASM_RT_TRAP_INT_OVERFLOW,
  WASM_RT_TRAP_DIV_BY_ZERO,
  WASM_RT_TRAP_INVALID_CONVERSION,
  WASM_RT_TRAP_UNREACHABLE,
  WASM_RT_TRAP_CALL_INDIRECT,
  WASM_RT_TRAP_UNALIGNED,
  WASM_RT_TRAP_NULL_REF,
  WASM_RT_TRAP_EXHAUSTION,
} wasm_rt_trap_t;

typedef struct {
  uint8_t* data;
  uint64_t pages, max_pages, page_size, size;
  bool is64;
} wasm_rt_memory_t;

/* The code that wasm2c writes names these types, but no kernel calls through a table. */
typedef const char* wasm_rt_func_type_t;
typedef void (*wasm_rt_function_ptr_t)(void);
typedef struct wasm_rt_tailcallee_t {
  void (*fn)(void**, void*, struct wasm_rt_tailcallee_t*);
} wasm_rt_tailcallee_t;
typedef struct {
  wasm_rt_func_type_t func_type;
  wasm_rt_function_ptr_t func;
  wasm_rt_tailcallee_t func_tailcallee;
  void* module_instance;
} wasm_rt_funcref_t;
typedef void* wasm_rt_externref_t;
typedef struct {
  wasm_rt_funcref_t* data;
  uint32_t max_size, size;
} wasm_rt_funcref_table_t;
typedef struct {
  wasm_rt_externref_t* data;
  uint32_t max_size, size;
} wasm_rt_externref_table_t;
#define wasm_rt_funcref_null_value ((wasm_rt_funcref_t){0})
#define wasm_rt_externref_null_value ((wasm_rt_externref_t){0})

static inline bool wasm_rt_is_initialized(void) { return true; }

static inline void wasm_rt_trap(wasm_rt_trap_t trap) {
  fprintf(stderr, "the kernel trapped: %d\n", trap);
  abort();
}

/* Grows by `pages` pages of 64 KiB. @returns the number of pages before, or -1 */
static inline uint64_t wasm_rt_grow_memory(wasm_rt_memory_t* memory, uint64_t pages) {
  uint64_t before = memory->pages, after = before + pages;
  if (after > memory->max_pages) return (uint64_t)-1;
  uint8_t* data = realloc(memory->data, after << 16);
  if (data == NULL) return (uint64_t)-1;
  memset(data + memory->size, 0, pages << 16);
  *memory = (wasm_rt_memory_t){data, after, memory->max_pages, 65536, after << 16, false};
  return before;
}

/* A memory of `pages` pages of 64 KiB, all zero, that can grow to 4 GiB. */
static inline wasm_rt_memory_t wasm_rt_new_memory(uint64_t pages) {
  wasm_rt_memory_t memory = {NULL, 0, 65536, 65536, 0, false};
  if (wasm_rt_grow_memory(&memory, pages) != 0) wasm_rt_trap(WASM_RT_TRAP_OOB);
  return memory;
}

#include <simde/wasm/simd128.h>

/* If two zeros differ in sign, WebAssembly's maximum is always +0, its minimum always −0. SIMDe returns the second. */
static inline simde_v128_t wasm_rt_f32x4_max(simde_v128_t a, simde_v128_t b) {
  simde_v128_t same = simde_wasm_f32x4_eq(a, b);
  return simde_wasm_v128_bitselect(simde_wasm_v128_and(a, b), simde_wasm_f32x4_max(a, b), same);
}
static inline simde_v128_t wasm_rt_f32x4_min(simde_v128_t a, simde_v128_t b) {
  simde_v128_t same = simde_wasm_f32x4_eq(a, b);
  return simde_wasm_v128_bitselect(simde_wasm_v128_or(a, b), simde_wasm_f32x4_min(a, b), same);
}
#define simde_wasm_f32x4_max wasm_rt_f32x4_max
#define simde_wasm_f32x4_min wasm_rt_f32x4_min

#endif
