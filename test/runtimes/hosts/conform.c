/* The conformance run over kernels that wasm2c made C of. Also a shared library, for Python. Input on standard input as
 * assembly/standalone.ts takes it. */
#include <inttypes.h>
#include <time.h>

#include "conformance.h"
#include "kernels.h"

enum { tape = 33554432 };

struct w2c_env {
  wasm_rt_memory_t memory;
};

wasm_rt_memory_t* w2c_env_memory(struct w2c_env* env) { return &env->memory; }

static struct w2c_env env;
static w2c_kernels kernels;
static w2c_conformance conformance;

static double clock_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double spun;

/* How long the spins took. */
double seconds(void) { return spun; }

/* Everything, `bytes` bytes of tape included. @returns the digest */
uint64_t conform(uint32_t taped, uint32_t drawn, uint32_t spins, uint32_t dtype, const void* from, uint32_t bytes) {
  env.memory = wasm_rt_new_memory((tape + (uint64_t)bytes + 65535) >> 16);
  wasm2c_kernels_instantiate(&kernels, &env);
  wasm2c_conformance_instantiate(&conformance, &env, &kernels);
  memcpy(env.memory.data + tape, from, bytes);
  w2c_conformance_run(&conformance, taped, drawn);
  if (spins > 0) {
    w2c_conformance_prepare(&conformance, dtype);
    w2c_conformance_spin(&conformance, (spins + 9) / 10);
    double began = clock_seconds();
    w2c_conformance_spin(&conformance, spins);
    spun = clock_seconds() - began;
  }
  return w2c_conformance_digest(&conformance);
}

int main(void) {
  uint32_t head[5];
  if (fread(head, sizeof head, 1, stdin) != 1) return 1;
  void* bytes = malloc(head[4] + 1);
  if (bytes == NULL || fread(bytes, 1, head[4], stdin) != head[4]) return 1;
  uint64_t digest = conform(head[0], head[1], head[2], head[3], bytes, head[4]);
  printf("%016" PRIx64 " %f\n", digest, seconds());
  return 0;
}
