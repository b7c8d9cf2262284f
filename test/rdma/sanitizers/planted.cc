// Faults for the sanitizers to find, so that their silence elsewhere says something. Loading this library commits
// the fault that PLANTED names.
#include <climits>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace {

__attribute__((constructor)) void plant() {
  const char *name = std::getenv("PLANTED");
  if (name == nullptr) return;
  // A size that the compiler does not know: AddressSanitizer's to find.
  const std::size_t size = std::strlen(name);
  auto *bytes = static_cast<volatile char *>(std::malloc(size));
  if (std::strcmp(name, "heap-buffer-overflow") == 0) bytes[size] = 1;
  std::free(const_cast<char *>(bytes));
  if (std::strcmp(name, "heap-use-after-free") == 0) bytes[0] = 1;
  volatile int most = INT_MAX;
  if (std::strcmp(name, "signed integer overflow") == 0) most = most + 1;
}

}  // namespace
