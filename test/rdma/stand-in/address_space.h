#pragma once
#include <cstddef>

namespace stand_in {

/// Whether all of these bytes may be read, and written where asked: what a registration finds out by pinning them.
bool isMapped(const void *address, size_t length, bool writable);

} // namespace stand_in
