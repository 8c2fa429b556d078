// Addresses of names, without ever waiting for a name server.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <memory>
#include <optional>
#include <string>

#include "ha/io/peer_address.h"

namespace baton::ha {

// Looks names up on threads of its own, one a name, and keeps what was found last for as long as
// nothing newer is: a name server may be silent for minutes, and getaddrinfo(3) can neither be
// given up nor told how long to take. Such a thread may outlive this object; it touches nothing
// else. Thread-safe.
class Resolver {
 public:
  // `cache`: a file that keeps what was found from process to process, replaced as a whole; empty:
  // none. One that cannot be read or written, or is garbled, counts as empty.
  explicit Resolver(std::string cache);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // `address` with a number for its host. A number stays as it is. Of a name it is what was found
  // last, of several addresses another one with each call, and a new look-up begins unless one is
  // under way or was a moment ago. nullopt: nothing has been found yet. Never waits.
  std::optional<PeerAddress> Find(const PeerAddress& address);
  // Likewise, and waits where nothing has been found yet. The name of a network interface stays as
  // it is. FailedPrecondition: nothing was found in `patience`.
  absl::StatusOr<PeerAddress> Await(const PeerAddress& address, absl::Duration patience);

 private:
  struct Book;
  const std::shared_ptr<Book> book_;
};

}  // namespace baton::ha
