// What C++ throws; guard.h turns it into JavaScript errors where a call returns.
#pragma once
#include <cstdint>
#include <string>

/** A verb that failed, or could not be called: becomes an IbverbsError. */
struct VerbError {
  const char* verb;
  std::string object;
  /** errno; 0 where `code` says what is wrong. */
  int number = 0;
  const char* code = nullptr;
  std::string detail = {};
  /** How many work requests were taken before one was refused; -1 where none were posted. */
  int64_t posted = -1;
};

/** An argument of the wrong kind: becomes an ArgumentTypeError. */
struct WrongKind {
  /** Which argument. */
  std::string field;
  std::string problem;
};

/** An argument of the right kind that has a wrong value: becomes an ArgumentRangeError. */
struct WrongValue {
  std::string field;
  std::string problem;
};

/** A JavaScript exception is pending already. */
struct Pending {};

/** @throws VerbError unless `result`, which a verb returned, is 0: errno, or -1 with errno beside it. */
void check(const char* verb, const std::string& object, int result);

/** @throws VerbError with errno if a verb returned a null pointer */
template <class T>
T* check_pointer(const char* verb, const std::string& object, T* result);

[[noreturn]] void throw_errno(const char* verb, const std::string& object);

template <class T>
T* check_pointer(const char* verb, const std::string& object, T* result) {
  if (!result) throw_errno(verb, object);
  return result;
}
