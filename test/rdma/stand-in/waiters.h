#pragma once
#include "device.h"
#include <array>
#include <cstdint>

namespace stand_in {

/// Queue pairs whose next request waits here, by their place in the table: who has gone meanwhile is woken in vain,
/// and nobody has to be taken out.
class Waiters {
 public:
  using Places = std::array<uint64_t, Limits::queuePairs / 64>;

  void add(uint32_t place) {
    places[place / 64] |= 1ull << (place % 64);
    waiting = true;
  }
  bool any() const { return waiting; }
  Places take() {
    const Places taken = places;
    places = {};
    waiting = false;
    return taken;
  }

 private:
  Places places{};
  bool waiting = false;
};

} // namespace stand_in
