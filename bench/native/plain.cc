// The compiler's bar: the loops one would write without a thought for vectors, as gcc optimises them.
#include <cstring>

#include "pooling.h"

void pooling::pool_plain(const Batch& batch) {
  const float* table = (const float*)batch.table;
  const size_t dim = batch.dim;
  for (uint32_t bag = 0; bag < batch.bags; bag++) {
    float* out = batch.out + bag * dim;
    std::memset(out, 0, dim * sizeof(float));
    for (uint32_t i = batch.offsets[bag]; i < batch.offsets[bag + 1]; i++) {
      const float* row = table + batch.keys[i] * dim;
      for (size_t column = 0; column < dim; column++) out[column] += row[column];
    }
  }
}
