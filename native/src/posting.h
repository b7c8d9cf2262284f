// Posts what JavaScript wrote down: one list, and so one doorbell, a batch.
#pragma once
#include <algorithm>
#include <cerrno>

#include "call.h"
#include "error.h"

/** What is posted: so many words each, at most so many in a list, to an object of which errors tell. */
struct Posting {
  const char* verb;
  const char* object;
  uint32_t words;
  uint32_t list_max;
};

/**
 * Posts argument 1 requests out of argument 0, a Uint32Array.
 * `build(words, count)` makes a list; `post(list, &refused)` returns errno; `position(refused)` is that in its list.
 */
template <class Build, class Post, class Position>
void post_all(const Call& call, const Posting& posting, Build&& build, Post&& post, Position&& position) {
  const Words words = call.words(0, "requests");
  const uint32_t count = call.number(1, "count");
  if (count > words.length / posting.words) throw WrongValue{"count", "more requests than there is room for in their array"};
  // A batch that no queue could hold goes in several lists, and fails where the device says so.
  for (uint32_t posted = 0; posted < count;) {
    const uint32_t n = std::min(count - posted, posting.list_max);
    auto list = build(words.data + size_t{posted} * posting.words, n);
    decltype(list) refused = nullptr;
    if (const int result = post(list, &refused)) {
      const uint32_t taken = posted + (refused ? position(refused) : 0);
      throw VerbError{posting.verb, posting.object, result > 0 ? result : errno, nullptr, {}, taken};
    }
    posted += n;
  }
}
