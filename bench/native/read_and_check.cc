// Reads a file from a byte on into fresh memory and looks for NaN among its f32, with so many threads: what loading
// cannot be faster than. Prints the seconds that it took.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

constexpr size_t PIECE = 262'144;

double now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/** Reads [begin, end) a piece at a time, and looks at each while it is in the cache. */
void load(int file, off_t start, float* to, size_t begin, size_t end, bool* has_nan) {
  bool nan = false;
  for (size_t at = begin; at < end; at += PIECE) {
    const size_t bytes = end - at < PIECE ? end - at : PIECE;
    float* piece = to + at / 4;
    for (size_t done = 0; done < bytes;) {
      const ssize_t count = pread(file, reinterpret_cast<char*>(piece) + done, bytes - done, start + static_cast<off_t>(at + done));
      if (count <= 0) exit(1);
      done += static_cast<size_t>(count);
    }
    for (size_t i = 0; i < bytes / 4; i++) nan |= piece[i] != piece[i];
  }
  *has_nan = nan;
}

}  // namespace

/** read_and_check FILE FIRST_BYTE THREADS */
int main(int count, char** arguments) {
  if (count != 4) return 2;
  const int file = open(arguments[1], O_RDONLY);
  struct stat status;
  if (file < 0 || fstat(file, &status) != 0) return 1;
  const off_t start = atoll(arguments[2]);
  const size_t bytes = static_cast<size_t>(status.st_size - start), threads = static_cast<size_t>(atoi(arguments[3]));
  const double began = now();
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 1;
  std::vector<std::thread> running;
  std::vector<char> found(threads);
  const size_t share = (bytes / threads / PIECE + 1) * PIECE;
  for (size_t i = 0; i < threads; i++) {
    const size_t begin = i * share < bytes ? i * share : bytes, end = begin + share < bytes ? begin + share : bytes;
    running.emplace_back([=, &found] { load(file, start, static_cast<float*>(memory), begin, end, reinterpret_cast<bool*>(&found[i])); });
  }
  for (std::thread& thread : running) thread.join();
  const double seconds = now() - began;
  bool nan = false;
  for (const char one : found) nan |= one != 0;
  printf("%.6f %d\n", seconds, nan);
  return 0;
}
