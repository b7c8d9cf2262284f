// The boundary between C++ and JavaScript. C++ exceptions must not cross it, because V8 is above it on the stack.
#pragma once
#include "call.h"
#include "error.h"

/** Throws the current C++ exception as a JavaScript error. Call it in a catch block. */
void rethrow(Environment& environment);

template <class Body>
napi_value guarded(Environment& environment, Body&& body) {
  try {
    return body();
  } catch (...) {
    rethrow(environment);
    return nullptr;
  }
}
