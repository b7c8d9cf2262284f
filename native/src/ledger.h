// Live native objects of this process, by kind, over all its threads.
#pragma once
#include <atomic>
#include <cstddef>

enum class Kind {
  context,
  protection_domain,
  parent_domain,
  memory_region,
  completion_queue,
  channel,
  shared_receive_queue,
  queue_pair,
};
constexpr size_t KINDS = 8;

namespace ledger {

/** Names of kinds in JavaScript, in their order. */
extern const char* const names[KINDS];

int live(Kind kind);
void created(Kind kind);
/** What could not be destroyed stays on the books: `result` is what its verb returned. */
void destroyed(Kind kind, int result);

}  // namespace ledger
