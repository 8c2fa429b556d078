#include "ha/io/peer_address.h"

#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/string_view.h>
#include <arpa/inet.h>

#include <algorithm>

#include "engine/base/status.h"

namespace baton::ha {
namespace {

constexpr absl::string_view kScheme = "tcp://";
constexpr size_t kMaxHostBytes = 253;

bool IsBracketed(const std::string& host) {
  return host.size() > 2 && host.front() == '[' && host.back() == ']';
}

bool IsIpv6(const std::string& host) {
  in6_addr address = {};
  return IsBracketed(host) &&
         ::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &address) == 1;
}

bool IsHostCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '-';
}

bool IsHost(const std::string& host) {
  if (host.empty() || host.size() > kMaxHostBytes) return false;
  return IsIpv6(host) || std::all_of(host.begin(), host.end(), IsHostCharacter);
}

}  // namespace

absl::StatusOr<PeerAddress> PeerAddress::Parse(const std::string& endpoint) {
  PeerAddress address;
  const size_t colon = endpoint.rfind(':');
  uint32_t port = 0;
  if (absl::StartsWith(endpoint, kScheme) && colon >= kScheme.size() &&
      absl::SimpleAtoi(endpoint.substr(colon + 1), &port) && port <= 65535) {
    address.host = endpoint.substr(kScheme.size(), colon - kScheme.size());
    address.port = static_cast<uint16_t>(port);
  }
  if (!IsHost(address.host)) {
    return Error(absl::StatusCode::kInvalidArgument, "\"{}\" is not of the form tcp://ADDR:PORT",
                 endpoint);
  }
  return address;
}

std::string PeerAddress::Endpoint() const { return fmt::format("tcp://{}:{}", host, port); }

bool PeerAddress::IsNumber() const {
  in_addr address = {};
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1 || IsIpv6(host);
}

bool PeerAddress::IsLoopback() const {
  in_addr address = {};
  if (::inet_pton(AF_INET, host.c_str(), &address) == 1) {
    return (ntohl(address.s_addr) >> 24) == 127;
  }
  if (!IsIpv6(host)) return host == "localhost";
  in6_addr wide = {};
  ::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &wide);
  return IN6_IS_ADDR_LOOPBACK(&wide) || (IN6_IS_ADDR_V4MAPPED(&wide) && wide.s6_addr[12] == 127);
}

}  // namespace baton::ha
