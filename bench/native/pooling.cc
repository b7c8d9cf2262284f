// The pooling bar: what hand-written vectors and software prefetch, which WebAssembly lacks, make of a batch.
// The arithmetic is the contract's, rounding by rounding, so the results are the same bits.
// A whole row is summed in registers; the lines of a row some way ahead, in this bag or a later one, are on their way.
#include "pooling.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "layout.h"
#include "rows.h"

namespace pooling {
namespace {

enum class Entry { sum, weighted, max };

template <Prefetch prefetch, int bytes>
[[gnu::always_inline]] inline void prefetch_row(const uint8_t* row) {
  constexpr auto hint = prefetch == Prefetch::t1 ? _MM_HINT_T1 : _MM_HINT_T0;
  if constexpr (prefetch != Prefetch::none) {
#pragma GCC unroll 16
    for (int line = 0; line < bytes; line += 64) _mm_prefetch(row + line, hint);
    // Rows off the line width may reach into one line more.
    if constexpr (bytes % 64 != 0) _mm_prefetch(row + bytes - 1, hint);
  }
}

/** Folds vectors [first, first + count) of one bag's rows into `out`. */
template <class Row, Entry entry, int columns, int first, int count, Prefetch prefetch>
[[gnu::always_inline]] inline void fold(const Batch& batch, uint32_t from, uint32_t to, uint32_t last, uint32_t distance, float* out) {
  constexpr int bytes = Row::bytes(columns);
  Vector acc[count];
  for (auto& a : acc) a = splat(entry == Entry::max ? -std::numeric_limits<float>::infinity() : 0);
  for (uint32_t i = from; i < to; i++) {
    prefetch_row<prefetch, bytes>(batch.table + (size_t)batch.keys[std::min(i + distance, last)] * bytes);
    const uint8_t* row = batch.table + (size_t)batch.keys[i] * bytes;
    Vector scale = splat(1), bias = splat(0);
    if constexpr (Row::quantised) {
      const __m128 tail = Row::scale_bias(row, columns);
      scale = splat_first(tail);
      bias = splat_first(_mm_movehdup_ps(tail));
    }
    const Vector weight = splat(entry == Entry::weighted ? batch.weights[i] : 1);
#pragma GCC unroll 16
    for (int v = 0; v < count; v++) {
      Vector x = Row::load(row, (first + v) * LANES);
      if constexpr (Row::quantised) x = add(multiply(x, scale), bias);
      if constexpr (entry == Entry::weighted) x = multiply(x, weight);
      acc[v] = entry == Entry::max ? larger(acc[v], x) : add(acc[v], x);
    }
  }
  const Vector divisor = splat(to - from);
#pragma GCC unroll 16
  for (int v = 0; v < count; v++) {
    Vector x = acc[v];
    if constexpr (Row::scrambled) x = order_nibbles(x);
    if (batch.mode == layout::MEAN) x = divide(x, divisor);
    store(out + (first + v) * LANES, to > from ? x : splat(0));
  }
}

/** All vectors of one bag, in as few passes as the registers allow; the first pass prefetches whole rows. */
template <class Row, Entry entry, int columns, int first, Prefetch prefetch>
[[gnu::always_inline]] inline void fold_from(const Batch& batch, uint32_t from, uint32_t to, uint32_t last, uint32_t distance, float* out) {
  constexpr int count = std::min(ACCUMULATORS, columns / LANES - first);
  fold<Row, entry, columns, first, count, first == 0 ? prefetch : Prefetch::none>(batch, from, to, last, distance, out);
  if constexpr (first + count < columns / LANES) {
    fold_from<Row, entry, columns, first + count, prefetch>(batch, from, to, last, distance, out);
  }
}

template <class Row, Entry entry, int columns, Prefetch prefetch>
void pool_bags(const Batch& batch, uint32_t distance) {
  const uint32_t end = batch.offsets[batch.bags];
  for (uint32_t bag = 0; bag < batch.bags; bag++) {
    fold_from<Row, entry, columns, 0, prefetch>(batch, batch.offsets[bag], batch.offsets[bag + 1], end - 1, distance, batch.out + (size_t)bag * columns);
  }
}

/** The kernel for `dim` columns: 16, 32, … 256. */
template <class Row, Entry entry, Prefetch prefetch, int... sixteens>
bool pool_dim(const Batch& batch, uint32_t distance, std::integer_sequence<int, sixteens...>) {
  return ((batch.dim == (sixteens + 1) * 16 && (pool_bags<Row, entry, (sixteens + 1) * 16, prefetch>(batch, distance), true)) || ...);
}

template <class Row, Entry entry, Prefetch prefetch>
bool pool_any_dim(const Batch& batch, uint32_t distance) {
  return pool_dim<Row, entry, prefetch>(batch, distance, std::make_integer_sequence<int, 16>());
}

template <class Row>
bool pool_rows(const Batch& batch, uint32_t distance) {
  if (batch.mode == layout::MAX) return pool_any_dim<Row, Entry::max, Prefetch::t0>(batch, distance);
  if (batch.weights) return pool_any_dim<Row, Entry::weighted, Prefetch::t0>(batch, distance);
  return pool_any_dim<Row, Entry::sum, Prefetch::t0>(batch, distance);
}

}  // namespace

bool pool(const Batch& batch, Prefetch prefetch, uint32_t distance) {
  if (prefetch == Prefetch::none) return pool_any_dim<rows::F32, Entry::sum, Prefetch::none>(batch, distance);
  if (prefetch == Prefetch::t1) return pool_any_dim<rows::F32, Entry::sum, Prefetch::t1>(batch, distance);
  switch (batch.dtype) {
    case layout::F32: return pool_rows<rows::F32>(batch, distance);
    case layout::F16: return pool_rows<rows::F16>(batch, distance);
    case layout::INT8: return pool_rows<rows::Int8>(batch, distance);
    default: return pool_rows<rows::Int4>(batch, distance);
  }
}

Batch read_call(uint8_t* memory, uint32_t call) {
  const auto field = [=](uint32_t at) { return *(const uint32_t*)(memory + call + at); };
  const uint32_t weights = field(layout::CALL_WEIGHTS);
  return {
      memory + field(layout::CALL_TABLE),
      field(layout::CALL_DIM),
      field(layout::CALL_DTYPE),
      field(layout::CALL_MODE),
      (const uint32_t*)(memory + field(layout::CALL_KEYS)),
      (const uint32_t*)(memory + field(layout::CALL_OFFSETS)),
      weights ? (const float*)(memory + weights) : nullptr,
      (float*)(memory + field(layout::CALL_OUT)),
      field(layout::CALL_BAG_END),
  };
}

}  // namespace pooling
