// A file descriptor that closes itself.
#pragma once
#include <unistd.h>

#include "error.h"

class FileDescriptor {
 public:
  /** @param fd the result of `call` @throws VerbError with errno if `fd` is negative */
  FileDescriptor(const char* call, int fd) : fd_(fd) {
    if (fd < 0) throw_errno(call, "file descriptor");
  }
  ~FileDescriptor() { ::close(fd_); }
  FileDescriptor(const FileDescriptor&) = delete;

  operator int() const { return fd_; }

 private:
  const int fd_;
};
