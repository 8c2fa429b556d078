#include "ha/io/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <string>

#include "engine/base/status.h"

namespace baton::ha {

absl::StatusOr<SocketAddress> SocketAddressOf(const PeerAddress& address) {
  SocketAddress result;
  auto& narrow = reinterpret_cast<sockaddr_in&>(result.storage);
  auto& wide = reinterpret_cast<sockaddr_in6&>(result.storage);
  const std::string& host = address.host;
  if (::inet_pton(AF_INET, host.c_str(), &narrow.sin_addr) == 1) {
    narrow.sin_family = AF_INET;
    narrow.sin_port = htons(address.port);
    result.size = sizeof(narrow);
    return result;
  }
  const bool bracketed = host.size() > 2 && host.front() == '[';
  if (bracketed &&
      ::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &wide.sin6_addr) == 1) {
    wide.sin6_family = AF_INET6;
    wide.sin6_port = htons(address.port);
    result.size = sizeof(wide);
    return result;
  }
  return Error(absl::StatusCode::kInvalidArgument, "{} is no number of an address", host);
}

}  // namespace baton::ha
