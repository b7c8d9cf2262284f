// The floor of what a transport costs: requests and replies of fixed sizes over one loopback connection, without a
// protocol to speak of. Two processes: `epoll_echo server` and `epoll_echo client PORT`.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

/** What a request begins with; its bytes include this. */
struct Header {
  uint32_t request_bytes;
  uint32_t reply_bytes;
};

constexpr size_t BUFFER_BYTES = 8 << 20;
constexpr size_t READ_BYTES = 256 << 10;

int check(int result, const char* what) {
  if (result >= 0) return result;
  perror(what);
  exit(1);
}

uint64_t now_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000ull + now.tv_nsec;
}

uint64_t cpu_us() {
  rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000ull + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
}

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

/** A non-blocking socket, watched by an epoll instance of its own. */
struct Connection {
  int socket;
  int epoll = check(epoll_create1(0), "epoll_create1");
  bool watches_room = false;
  std::vector<char> out = std::vector<char>(BUFFER_BYTES, 'x');

  explicit Connection(int socket) : socket(socket) {
    const int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_event event{EPOLLIN, {}};
    check(epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event), "epoll_ctl");
  }
  ~Connection() {
    close(epoll);
    close(socket);
  }

  void wait() {
    epoll_event event;
    if (epoll_wait(epoll, &event, 1, -1) < 0 && errno != EINTR) check(-1, "epoll_wait");
  }

  /** @returns bytes read, 0 at the end, -1 where there are none now */
  ssize_t read(char* to, size_t bytes) {
    const ssize_t n = recv(socket, to, bytes, MSG_DONTWAIT);
    return n < 0 && errno == ECONNRESET ? 0 : n;
  }

  /** Sends what it can of `bytes` at `from`; waits for room only if something is left. @returns bytes sent */
  size_t send(const char* from, size_t bytes) {
    const ssize_t sent = ::send(socket, from, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    const size_t done = sent < 0 ? 0 : sent;
    const bool left = done < bytes;
    if (left != watches_room) {
      epoll_event event{EPOLLIN | (left ? EPOLLOUT : 0u), {}};
      check(epoll_ctl(epoll, EPOLL_CTL_MOD, socket, &event), "epoll_ctl");
      watches_room = left;
    }
    return done;
  }
};

/** Copies each request into a fixed buffer, and answers with bytes that are there already. */
void serve(Connection& connection) {
  std::vector<char> in(BUFFER_BYTES);
  size_t have = 0;
  size_t owed = 0;
  for (;;) {
    connection.wait();
    for (;;) {
      const ssize_t n = connection.read(in.data() + have, std::min(READ_BYTES, in.size() - have));
      if (n == 0) return;
      if (n < 0) break;
      have += n;
      size_t at = 0;
      Header header;
      while (have - at >= sizeof header) {
        memcpy(&header, in.data() + at, sizeof header);
        if (have - at < header.request_bytes) break;
        at += header.request_bytes;
        owed += header.reply_bytes;
      }
      if (at > 0) memmove(in.data(), in.data() + at, have -= at);
      if (size_t(n) < READ_BYTES) break;
    }
    while (owed > 0) {
      const size_t sent = connection.send(connection.out.data(), std::min(owed, BUFFER_BYTES));
      owed -= sent;
      if (connection.watches_room) break;
    }
  }
}

int serve_all() {
  const int listener = check(socket(AF_INET, SOCK_STREAM, 0), "socket");
  sockaddr_in address = loopback(0);
  check(bind(listener, (sockaddr*)&address, sizeof address), "bind");
  check(listen(listener, 16), "listen");
  socklen_t size = sizeof address;
  check(getsockname(listener, (sockaddr*)&address, &size), "getsockname");
  printf("%u\n", ntohs(address.sin_port));
  fflush(stdout);
  for (;;) {
    Connection connection(check(accept(listener, nullptr, nullptr), "accept"));
    serve(connection);
  }
}

struct Course {
  unsigned request_bytes, reply_bytes, in_flight, ms;
};

/** Keeps requests under way on one connection, and says: how many, ns, µs of CPU, and µs:count of latencies. */
void run(Connection& connection, const Course& course) {
  std::vector<uint32_t> histogram(1 << 20);
  std::vector<uint64_t> begun(course.in_flight);
  std::vector<char> in(READ_BYTES);
  const Header header{course.request_bytes, course.reply_bytes};
  // The requests of a whole window lie in the buffer one behind the other, for they are all alike.
  for (unsigned i = 0; i < course.in_flight; i++)
    memcpy(connection.out.data() + size_t(i) * course.request_bytes, &header, sizeof header);
  const uint64_t cpu = cpu_us();
  const uint64_t start = now_ns();
  const uint64_t end = start + course.ms * 1000000ull;
  uint64_t asked = 0, answered = 0, received = 0;
  size_t unsent = 0, phase = 0;
  const auto ask = [&](uint64_t count) {
    const uint64_t now = now_ns();
    for (uint64_t i = 0; i < count; i++) begun[asked++ % course.in_flight] = now;
    unsent += count * course.request_bytes;
  };
  const auto flush = [&] {
    // A request may go out in parts: `phase` is how much of the one at hand has gone.
    while (unsent > 0) {
      const size_t sent = connection.send(connection.out.data() + phase, unsent);
      unsent -= sent;
      phase = (phase + sent) % course.request_bytes;
      if (connection.watches_room) break;
    }
  };
  ask(course.in_flight);
  flush();
  while (answered < asked) {
    connection.wait();
    for (;;) {
      const ssize_t n = connection.read(in.data(), in.size());
      if (n == 0) exit(1);
      if (n < 0) break;
      received += n;
      if (size_t(n) < in.size()) break;
    }
    const uint64_t now = now_ns();
    const uint64_t before = answered;
    for (; received >= course.reply_bytes; received -= course.reply_bytes) {
      const uint64_t us = (now - begun[answered++ % course.in_flight]) / 1000;
      histogram[std::min<uint64_t>(us, histogram.size() - 1)]++;
    }
    if (now < end) ask(answered - before);
    flush();
  }
  printf("%lu %lu %lu", answered, now_ns() - start, cpu_us() - cpu);
  for (size_t us = 0; us < histogram.size(); us++)
    if (histogram[us]) printf(" %zu:%u", us, histogram[us]);
  printf("\n");
  fflush(stdout);
}

/** A round for each line of standard input. */
int ask_on(uint16_t port) {
  const int socket = check(::socket(AF_INET, SOCK_STREAM, 0), "socket");
  const sockaddr_in address = loopback(port);
  check(connect(socket, (const sockaddr*)&address, sizeof address), "connect");
  Connection connection(socket);
  Course course;
  while (scanf("%u %u %u %u", &course.request_bytes, &course.reply_bytes, &course.in_flight, &course.ms) == 4) {
    if (size_t(course.request_bytes) * (course.in_flight + 1) > BUFFER_BYTES) return 2;
    run(connection, course);
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  // Whoever started us may be killed.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (count == 2 && strcmp(arguments[1], "server") == 0) return serve_all();
  if (count == 3 && strcmp(arguments[1], "client") == 0) return ask_on(atoi(arguments[2]));
  fprintf(stderr, "epoll_echo server | epoll_echo client PORT\n");
  return 2;
}
