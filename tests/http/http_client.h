// A client of HTTP that may be as bad as it wants to be.
#pragma once

#include <absl/time/clock.h>
#include <absl/time/time.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <string>

#include "engine/base/unique_fd.h"

namespace baton::http {

inline uint16_t PortOf(int listener) {
  sockaddr_in address = {};
  socklen_t length = sizeof(address);
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
  return ntohs(address.sin_port);
}

// One connection to 127.0.0.1.
class HttpClient {
 public:
  HttpClient() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  explicit HttpClient(uint16_t port) : HttpClient() { Connect(port); }

  void Connect(uint16_t port) const {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address));
  }

  void Send(const std::string& bytes) const {
    (void)!::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  // All until the other end closes, or nothing comes for so long.
  std::string Receive(absl::Duration patience = absl::Seconds(10)) const {
    std::string received;
    std::array<char, 4096> part;
    while (IsReadable(patience)) {
      const ssize_t length = ::recv(fd_.get(), part.data(), part.size(), 0);
      if (length <= 0) break;
      received.append(part.data(), static_cast<size_t>(length));
    }
    return received;
  }
  // Reads until `text` has come, which may have come before, or so long.
  bool AwaitText(const std::string& text, absl::Duration patience) {
    std::array<char, 65536> part;
    const absl::Time end = absl::Now() + patience;
    while (true) {
      if (const size_t found = unread_.find(text); found != std::string::npos) {
        unread_.erase(0, found + text.size());
        return true;
      }
      if (!IsReadable(end - absl::Now())) return false;
      const ssize_t length = ::recv(fd_.get(), part.data(), part.size(), 0);
      if (length <= 0) return false;
      unread_.append(part.data(), static_cast<size_t>(length));
    }
  }
  std::string Ask(const std::string& request) const {
    Send(request);
    return Receive();
  }
  // The other end has not closed the connection.
  bool IsOpen() const {
    if (!IsReadable(absl::ZeroDuration())) return true;
    char byte;
    return ::recv(fd_.get(), &byte, 1, MSG_PEEK) > 0;
  }

 private:
  // Negative: not at all.
  bool IsReadable(absl::Duration patience) const {
    pollfd watched = {.fd = fd_.get(), .events = POLLIN, .revents = 0};
    return ::poll(&watched, 1,
                  static_cast<int>(std::max<int64_t>(absl::ToInt64Milliseconds(patience), 0))) > 0;
  }

  const UniqueFd fd_;
  std::string unread_;  // of AwaitText
};

}  // namespace baton::http
