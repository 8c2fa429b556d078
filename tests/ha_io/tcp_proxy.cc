#include "tests/ha_io/tcp_proxy.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>

namespace baton::ha {
namespace {

sockaddr_in LoopbackAddress(const char* host, uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, host, &address.sin_addr);
  return address;
}

void SendAtOnce(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

}  // namespace

UniqueFd ConnectTcp(const std::string& host, uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = LoopbackAddress(host.c_str(), port);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return UniqueFd();
  }
  SendAtOnce(fd.get());
  return fd;
}

TcpProxy::TcpProxy(uint16_t port)
    : port_(port), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const int on = 1;
  ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const sockaddr_in address = LoopbackAddress("127.0.0.2", port);
  EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
            0);
  EXPECT_EQ(::listen(listener_.get(), 64), 0);
  thread_ = std::thread([this] { Loop(); });
}

TcpProxy::~TcpProxy() {
  stopping_ = true;
  thread_.join();
}

std::vector<std::string> TcpProxy::Recorded() {
  absl::MutexLock lock(&mutex_);
  return recorded_;
}

void TcpProxy::Loop() {
  while (!stopping_) {
    if (reset_.exchange(false)) links_.clear();
    if (reset_one_.exchange(false) && !links_.empty()) {
      links_.erase(std::next(links_.begin(), static_cast<ptrdiff_t>(random_() % links_.size())));
    }
    std::vector<pollfd> polled{{listener_.get(), POLLIN, 0}};
    for (const Link& link : links_) {
      polled.push_back({link.client.get(), POLLIN, 0});
      polled.push_back({link.server.get(), POLLIN, 0});
    }
    // While held, only time passes.
    ::poll(polled.data(), held_ ? 0 : polled.size(), 10);
    if (held_) continue;
    size_t i = 1;
    for (auto link = links_.begin(); link != links_.end();) {
      bool alive = true;
      if (polled[i++].revents != 0) alive = Pass(*link, link->client.get(), link->server.get());
      if (polled[i++].revents != 0 && alive) {
        alive = Pass(*link, link->server.get(), link->client.get());
      }
      link = alive ? std::next(link) : links_.erase(link);
    }
    if (polled[0].revents != 0) Accept();
  }
}

void TcpProxy::Accept() {
  UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  UniqueFd server = ConnectTcp("127.0.0.1", port_);
  if (!client.valid() || !server.valid()) return;
  SendAtOnce(client.get());
  absl::MutexLock lock(&mutex_);
  links_.push_back({std::move(client), std::move(server), recorded_.size()});
  recorded_.emplace_back();
}

bool TcpProxy::Pass(const Link& link, int from, int to) {
  std::array<char, 65536> buffer;
  const ssize_t count = ::recv(from, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (count <= 0) return false;
  if (to == link.server.get()) {
    absl::MutexLock lock(&mutex_);
    recorded_[link.record].append(buffer.data(), static_cast<size_t>(count));
  }
  for (ssize_t sent = 0; sent < count;) {
    const ssize_t more =
        ::send(to, buffer.data() + sent, static_cast<size_t>(count - sent), MSG_NOSIGNAL);
    if (more <= 0) return false;
    sent += more;
  }
  return true;
}

}  // namespace baton::ha
