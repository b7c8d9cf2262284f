// Counts the native objects of each kind that are alive in this process, over all of its threads.
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

/** Names of the kinds in JavaScript, in the order of Kind. */
extern const char* const names[KINDS];

int live(Kind kind);
void created(Kind kind);
/** Uncounts an object, unless its verb could not destroy it: `result` is what the verb returned. */
void destroyed(Kind kind, int result);

}  // namespace ledger
