#include "library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <string>

#include "error.h"

namespace {

const char* path() {
  const char* chosen = std::getenv("IBVERBS_LIBRARY");
  return chosen && *chosen ? chosen : "libibverbs.so.1";
}

template <class F>
void find(void* handle, const char* name, F& function) {
  function = reinterpret_cast<F>(dlsym(handle, name));
}

Library load() {
  // Never closed, because its providers have their own threads and exit handlers.
  void* handle = dlopen(path(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) throw VerbError{"dlopen", path(), 0, "LIBRARY_MISSING", dlerror()};
  Library loaded;
#define X(name)                                                                                      \
  find(handle, #name, loaded.name);                                                                  \
  if (!loaded.name) throw VerbError{"dlsym", path(), 0, "LIBRARY_MISSING", "it has no symbol " #name};
  IBVERBS_SYMBOLS(X)
#undef X
#define X(name) find(handle, #name, loaded.name);
  IBVERBS_OPTIONAL_SYMBOLS(X)
#undef X
  return loaded;
}

}  // namespace

const Library& library() {
  static const Library loaded = load();
  return loaded;
}
