#include "ha/io/strangers.h"

#include <absl/container/flat_hash_map.h>
#include <fcntl.h>
#include <netinet/in.h>

#include <algorithm>

#include "engine/base/unique_fd.h"
#include "ha/io/peer_settings.h"

namespace baton::ha {

Strangers::Address Strangers::AddressOf(int fd) {
  sockaddr_storage peer = {};
  socklen_t size = sizeof(peer);
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return {};
  const auto bytes = [](const auto& part) {
    return std::string(reinterpret_cast<const char*>(&part), sizeof(part));
  };
  Address address{.host = {}, .whole = std::string(reinterpret_cast<const char*>(&peer), size)};
  if (peer.ss_family == AF_INET) {
    address.host = bytes(reinterpret_cast<const sockaddr_in&>(peer).sin_addr);
  } else if (peer.ss_family == AF_INET6) {
    address.host = bytes(reinterpret_cast<const sockaddr_in6&>(peer).sin6_addr);
  }
  return address;
}

void Strangers::Come(int fd) {
  const absl::Duration now = runtime_.BootTime();
  std::erase_if(strangers_, [&](const Stranger& stranger) {
    return stranger.fd == fd || stranger.came + kHandshakeTimeout < now;
  });
  Address address = AddressOf(fd);
  if (address.host.empty()) return;
  strangers_.push_back({fd, std::move(address), now});
  if (strangers_.size() > kMaxStrangers) EndOne();
}

void Strangers::Go(int fd) {
  std::erase_if(strangers_, [fd](const Stranger& stranger) { return stranger.fd == fd; });
}

void Strangers::EndOne() {
  absl::flat_hash_map<std::string, size_t> counts;
  for (const Stranger& stranger : strangers_) ++counts[stranger.address.host];
  const std::string most = std::max_element(counts.begin(), counts.end(), [](auto& a, auto& b) {
                             return a.second < b.second;
                           })->first;
  const auto oldest =
      std::find_if(strangers_.begin(), strangers_.end(),
                   [&most](const Stranger& stranger) { return stranger.address.host == most; });
  End(*oldest);
  strangers_.erase(oldest);
}

// ZeroMQ may close it at any moment, and its number then means another file: what a duplicate
// refers to stays.
void Strangers::End(const Stranger& stranger) {
  const UniqueFd same(::fcntl(stranger.fd, F_DUPFD_CLOEXEC, 0));
  if (same.valid() && AddressOf(same.get()) == stranger.address) {
    ::shutdown(same.get(), SHUT_RDWR);
  }
}

}  // namespace baton::ha
