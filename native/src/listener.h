// Calls a function of a JavaScript object's from the event loop.
#pragma once
#include <node_api.h>

#include "environment.h"

/** `object[name](...arguments)`; what it throws is uncaught, as in any callback of Node's. */
void call_listener(Environment& environment, napi_value object, const char* name, size_t count,
                   const napi_value* arguments);
