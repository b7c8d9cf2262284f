/* The kernels as a shared library, for languages that call C: one memory a process, addresses in it, status out. */
#include "kernels.h"

struct w2c_env {
  wasm_rt_memory_t memory;
};
wasm_rt_memory_t* w2c_env_memory(struct w2c_env* env) { return &env->memory; }

static struct w2c_env env;
static w2c_kernels kernels;

/* Makes a memory of `pages` of 64 KiB. @returns its first byte */
uint8_t* flexemr_open(uint32_t pages) {
  env.memory = wasm_rt_new_memory(pages);
  wasm2c_kernels_instantiate(&kernels, &env);
  return env.memory.data;
}

uint32_t flexemr_pool(uint32_t call, uint32_t budget) { return w2c_kernels_pool(&kernels, call, budget); }
