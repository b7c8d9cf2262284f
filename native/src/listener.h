// Calls a function of a JavaScript object from the event loop.
#pragma once
#include <node_api.h>

#include "environment.h"

/** Calls `object[name](...arguments)`. If it throws, that is an uncaught exception, as in any callback of Node. */
void call_listener(Environment& environment, napi_value object, const char* name, size_t count,
                   const napi_value* arguments);
