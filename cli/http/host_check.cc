#include "cli/http/host_check.h"

#include <absl/status/statusor.h>

#include "ha/io/peer_address.h"

namespace baton::http {

bool NamesLoopback(const std::string& host) {
  if (host.empty()) return true;
  const size_t colon = host.rfind(':');
  const bool has_port = colon != std::string::npos && host.back() != ']';
  const absl::StatusOr<ha::PeerAddress> address =
      ha::PeerAddress::Parse("tcp://" + host + (has_port ? "" : ":80"));
  return address.ok() && address->IsLoopback();
}

}  // namespace baton::http
