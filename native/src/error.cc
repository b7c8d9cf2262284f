#include "error.h"

#include <cerrno>

void check(const char* verb, const std::string& object, int result) {
  if (result == 0) return;
  if (result < 0) throw_errno(verb, object);
  throw VerbError{verb, object, result};
}

void throw_errno(const char* verb, const std::string& object) {
  // EIO: the provider failed without setting errno.
  throw VerbError{verb, object, errno ? errno : EIO};
}
