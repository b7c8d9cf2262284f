// A network between two machines, on one: passes bytes on after a delay, in both directions.
//   delay MICROSECONDS LISTEN_HOST TARGET_HOST PORT...
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <deque>
#include <list>
#include <string>
#include <vector>

namespace {

constexpr size_t kReadBytes = 65536;

int64_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

struct Piece {
  int64_t due;
  std::string bytes;
};

// One direction of a connection.
struct Way {
  int from;
  int to;
  std::deque<Piece> pieces;
  bool ended = false;
  bool blocked = false;

  bool Done() const { return ended && pieces.empty(); }

  void Read(int64_t delay) {
    char bytes[kReadBytes];
    const ssize_t count = read(from, bytes, sizeof bytes);
    if (count > 0) {
      pieces.push_back({Now() + delay, std::string(bytes, static_cast<size_t>(count))});
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
      ended = true;
    }
  }

  // Sends what is due.
  void Write() {
    blocked = false;
    while (!pieces.empty() && pieces.front().due <= Now()) {
      Piece& piece = pieces.front();
      const ssize_t count = send(to, piece.bytes.data(), piece.bytes.size(), MSG_NOSIGNAL);
      if (count < 0) {
        blocked = errno == EAGAIN;
        if (!blocked) ended = true, pieces.clear();
        return;
      }
      piece.bytes.erase(0, static_cast<size_t>(count));
      if (!piece.bytes.empty()) {
        blocked = true;
        return;
      }
      pieces.pop_front();
    }
  }
};

struct Connection {
  Way there;
  Way back;
};

sockaddr_in AddressOf(const char* host, int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, host, &address.sin_addr);
  return address;
}

void Prepare(int socket) {
  const int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  fcntl(socket, F_SETFL, O_NONBLOCK);
}

int ListenAt(const char* host, int port) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = AddressOf(host, port);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener, 64) != 0) {
    perror("delay: cannot listen");
    exit(1);
  }
  return listener;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int64_t delay = atoll(argv[1]) * 1000;
  const char* target = argv[3];
  std::vector<int> ports, listeners;
  for (int i = 4; i < argc; i++) {
    ports.push_back(atoi(argv[i]));
    listeners.push_back(ListenAt(argv[2], ports.back()));
  }
  puts("ready");
  fflush(stdout);
  std::list<Connection> connections;
  for (;;) {
    std::vector<pollfd> polled;
    for (const int listener : listeners) polled.push_back({listener, POLLIN, 0});
    int64_t due = INT64_MAX;
    for (const Connection& connection : connections)
      for (const Way* way : {&connection.there, &connection.back}) {
        polled.push_back({way->from, static_cast<short>(way->ended ? 0 : POLLIN), 0});
        polled.push_back({way->to, static_cast<short>(way->blocked ? POLLOUT : 0), 0});
        if (!way->blocked && !way->pieces.empty() && way->pieces.front().due < due)
          due = way->pieces.front().due;
      }
    const int64_t wait = due == INT64_MAX ? 0 : due - Now();
    const timespec timeout = {wait > 0 ? wait / 1000000000 : 0, wait > 0 ? wait % 1000000000 : 0};
    if (ppoll(polled.data(), polled.size(), due == INT64_MAX ? nullptr : &timeout, nullptr) < 0) return 1;
    size_t at = listeners.size();
    for (auto each = connections.begin(); each != connections.end();) {
      for (Way* way : {&each->there, &each->back}) {
        if (polled[at].revents != 0 && !way->ended) way->Read(delay);
        if (!way->blocked || polled[at + 1].revents != 0) way->Write();
        at += 2;
      }
      // A connection ends with its first direction that has ended.
      if (each->there.Done() || each->back.Done()) {
        close(each->there.from);
        close(each->there.to);
        each = connections.erase(each);
      } else {
        ++each;
      }
    }
    for (size_t i = 0; i < listeners.size(); i++) {
      if (polled[i].revents == 0) continue;
      const int client = accept(listeners[i], nullptr, nullptr);
      const int server = socket(AF_INET, SOCK_STREAM, 0);
      const sockaddr_in address = AddressOf(target, ports[i]);
      if (client < 0 || connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        close(client);
        close(server);
        continue;
      }
      Prepare(client);
      Prepare(server);
      connections.push_back({{client, server, {}}, {server, client, {}}});
    }
  }
}
