/* Pools three bags of a small table with flexemr's kernels, which wasm2c has made C of: docs/embedding.md says how. */
#include "flexemr.h"
#include "kernels.h"

/* The kernels' memory. wasm2c asks for it by this name. */
struct w2c_env {
  wasm_rt_memory_t memory;
};
wasm_rt_memory_t* w2c_env_memory(struct w2c_env* env) { return &env->memory; }

static struct w2c_env env;
static uint32_t next = 64;

/* Address of a copy of `bytes` bytes in the kernels' memory. */
static uint32_t put(const void* data, uint32_t bytes) {
  uint32_t at = next;
  next = (at + bytes + 63) & ~63u;
  memcpy(env.memory.data + at, data, bytes);
  return at;
}

int main(void) {
  const float rows[4][3] = {{1, 2, 3}, {10, 20, 30}, {100, 200, 300}, {-1, -2, -3}};
  const uint32_t keys[] = {0, 1, 2, 2, 3}, offsets[] = {0, 2, 2, 5};
  float pooled[3][3] = {{0}};
  static uint8_t scratch[FLEXEMR_SCRATCH_BYTES];
  uint32_t call[FLEXEMR_CALL_BYTES / 4] = {0}; /* F32, SUM and MISSING_ERROR are 0. */

  env.memory = wasm_rt_new_memory(16);
  w2c_kernels kernels;
  wasm2c_kernels_instantiate(&kernels, &env);

  call[FLEXEMR_CALL_TABLE / 4] = put(rows, sizeof rows);
  call[FLEXEMR_CALL_ROWS / 4] = call[FLEXEMR_CALL_TABLE_ROWS / 4] = 4;
  call[FLEXEMR_CALL_ROW_BYTES / 4] = sizeof rows[0];
  call[FLEXEMR_CALL_DIM / 4] = 3;
  call[FLEXEMR_CALL_KEYS / 4] = put(keys, sizeof keys);
  call[FLEXEMR_CALL_KEY_BYTES / 4] = sizeof keys[0];
  call[FLEXEMR_CALL_KEY_COUNT / 4] = 5;
  call[FLEXEMR_CALL_OFFSETS / 4] = put(offsets, sizeof offsets);
  call[FLEXEMR_CALL_BAG_END / 4] = 3;
  call[FLEXEMR_CALL_PADDING / 4] = FLEXEMR_NONE;
  call[FLEXEMR_CALL_LAST_SHARD / 4] = 1;
  call[FLEXEMR_CALL_OUT / 4] = put(pooled, sizeof pooled);
  call[FLEXEMR_CALL_COUNTS / 4] = put(scratch, sizeof offsets);
  call[FLEXEMR_CALL_OUTCOMES / 4] = put(scratch, 5);
  call[FLEXEMR_CALL_SCRATCH / 4] = put(scratch, sizeof scratch);
  uint32_t status = w2c_kernels_pool(&kernels, put(call, sizeof call), FLEXEMR_NONE);
  if (status != FLEXEMR_DONE) return (int)status;
  memcpy(pooled, env.memory.data + call[FLEXEMR_CALL_OUT / 4], sizeof pooled);
  for (int bag = 0; bag < 3; bag++) printf("%g %g %g\n", pooled[bag][0], pooled[bag][1], pooled[bag][2]);
  return 0;
}
