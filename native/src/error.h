// The exceptions that C++ throws. guard.h turns them into JavaScript errors before a call returns.
#pragma once
#include <cstdint>
#include <string>

/** A verb failed, or could not be called. Becomes an IbverbsError. */
struct VerbError {
  const char* verb;
  std::string object;
  /** errno; 0 if `code` says what is wrong. */
  int number = 0;
  const char* code = nullptr;
  std::string detail = {};
  /** How many work requests were posted before one was refused; -1 if the call does not post. */
  int64_t posted = -1;
};

/** An argument has the wrong kind. Becomes a TypeError. */
struct WrongKind {
  /** Path of the argument. */
  std::string field;
  std::string problem;
};

/** An argument has the right kind but a wrong value. Becomes a RangeError. */
struct WrongValue {
  std::string field;
  std::string problem;
};

/** A JavaScript exception is pending already. */
struct Pending {};

/** @throws VerbError if `result`, which a verb returned, is not 0. It is an errno, or -1 if the verb has set errno. */
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
