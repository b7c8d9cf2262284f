#include "address_space.h"
#include <cstdint>
#include <cstdio>

namespace stand_in {

bool isMapped(const void *address, size_t length, bool writable) {
  FILE *maps = std::fopen("/proc/self/maps", "re");
  if (!maps) return true;
  uint64_t known = reinterpret_cast<uintptr_t>(address);
  const uint64_t end = known + length;
  char line[512], permissions[5];
  unsigned long from, to;
  // Mappings come in order: each has to begin where what is known ends.
  while (known < end && std::fgets(line, sizeof line, maps)) {
    if (std::sscanf(line, "%lx-%lx %4s", &from, &to, permissions) != 3 || to <= known) continue;
    const bool allowed = permissions[0] == 'r' && (!writable || permissions[1] == 'w');
    if (from > known || !allowed) break;
    known = to;
  }
  std::fclose(maps);
  return known >= end;
}

} // namespace stand_in
