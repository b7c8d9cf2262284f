// Posts the requests that JavaScript wrote. A batch is one list, so it rings one doorbell.
#pragma once
#include <algorithm>
#include <cerrno>

#include "call.h"
#include "error.h"

/** How to post: the verb, the object that errors name, the words per request, and the most requests in a list. */
struct Posting {
  const char* verb;
  const char* object;
  uint32_t words;
  uint32_t list_max;
};

/**
 * Posts requests from argument 0, a Uint32Array. Argument 1 is their number. `build(words, count)` makes a list,
 * `post(list, &refused)` returns errno, and `position(refused)` is the index of a request in its list.
 */
template <class Build, class Post, class Position>
void post_all(const Call& call, const Posting& posting, Build&& build, Post&& post, Position&& position) {
  const Words words = call.words(0, "requests");
  const uint32_t count = call.number(1, "count");
  if (count > words.length / posting.words) throw WrongValue{"count", "the array has fewer requests than this"};
  // A batch that is too large for any queue is posted in several lists, and fails when the device refuses a request.
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
