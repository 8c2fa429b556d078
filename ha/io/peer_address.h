// Addresses of controllers: tcp://ADDR:PORT.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <string>

namespace baton::ha {

struct PeerAddress {
  std::string host;  // a name, an IPv4 address, or an IPv6 address in brackets
  uint16_t port = 0;
  bool operator==(const PeerAddress&) const = default;

  // InvalidArgument: not of that form.
  static absl::StatusOr<PeerAddress> Parse(const std::string& endpoint);
  std::string Endpoint() const;
  PeerAddress WithPort(uint16_t other) const { return {host, other}; }
  // The host is an IPv4 or IPv6 address.
  bool IsNumber() const;
  // 127.0.0.0/8, ::1 or localhost: nothing leaves this machine.
  bool IsLoopback() const;
};

}  // namespace baton::ha
