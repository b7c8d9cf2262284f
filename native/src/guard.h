// Where C++ meets JavaScript: no C++ exception passes a frame of V8's.
#pragma once
#include "call.h"
#include "error.h"

/** Throws into JavaScript what is being handled; call it in a catch block. */
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
