// Connections to a port that have not proven who they are.
#pragma once

#include <absl/time/time.h>
#include <sys/socket.h>

#include <cstddef>
#include <string>
#include <vector>

#include "engine/base/runtime.h"

namespace baton::ha {

// Bounds them (kMaxStrangers): each has a descriptor, which the pool's files need, too. When one
// too many comes, the oldest one of the address that has the most of them is ended, so that whoever
// fills a port from one machine keeps out nobody but itself. One that is older than
// kHandshakeTimeout has proven itself, or ZeroMQ has ended it. Not thread-safe.
class Strangers {
 public:
  // `runtime` outlives it.
  explicit Strangers(Runtime& runtime) : runtime_(runtime) {}

  // ZeroMQ's descriptors; one that is closed meanwhile, or another file by now, is left alone.
  void Come(int fd);
  void Go(int fd);  // it ended, or has proven who it is
  size_t count() const { return strangers_.size(); }

 private:
  struct Address {
    std::string host;
    std::string whole;  // with the port
    bool operator==(const Address&) const = default;
  };
  struct Stranger {
    int fd;
    Address address;
    absl::Duration came;
  };
  static Address AddressOf(int fd);  // empty: not a connection
  void EndOne();
  static void End(const Stranger& stranger);

  Runtime& runtime_;
  std::vector<Stranger> strangers_;  // the oldest first
};

}  // namespace baton::ha
