// TLS 1.3 by OpenSSL, wrapped: the only file pair that includes it.
#pragma once

#include <absl/status/statusor.h>
#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "engine/base/bytes.h"
#include "engine/base/limits.h"

namespace baton::ha {

// Overwrites it, in a way that no compiler leaves out.
void Wipe(MutableBytes secret);

// Wipes itself when it is not needed any more.
struct SessionSecret : std::array<std::byte, 32> {
  SessionSecret() : array{} {}
  SessionSecret(const SessionSecret&) = default;
  SessionSecret& operator=(const SessionSecret&) = default;
  ~SessionSecret() { Wipe(*this); }
};

// A session, and what only its two ends know.
struct SessionKey {
  uint64_t number = 0;
  SessionSecret secret = {};
};

// With one key so much is sent, then with the next one (RFC 8446, 5.5: AES-GCM is safe for 2^24.5
// records).
struct TlsKeyLimits {
  uint64_t records = uint64_t{1} << 23;
  uint64_t bytes = 64 * limits::kGiB;
};

// One end of an encrypted connection. Both ends prove that they know the secret of one session: it
// is the pre-shared key of TLS, there are no certificates. Each connection has keys of its own
// beyond that, so nothing recorded is of use to anybody, not even with the secret. One thread at a
// time.
class Tls {
 public:
  virtual ~Tls() = default;

  // kAgain: the descriptor does not block, and more has to come in first. kEnded: the other end has
  // closed the connection.
  enum class Step { kDone, kAgain, kEnded, kFailed };
  virtual Step Handshake() = 0;
  // Whose secret the other end knows; after the handshake.
  virtual uint64_t session() const = 0;
  // As recv(2).
  virtual ssize_t Receive(MutableBytes out) = 0;
  // What is sent may wait for Flush, which waits for the peer to take it. False: it is over.
  virtual bool Send(Bytes data) = 0;
  virtual bool Flush() = 0;
  // How often this end has gone on to the next key.
  virtual uint64_t keys_renewed() const = 0;
};

// Makes them. Thread-safe; outlives what it makes.
class TlsContext {
 public:
  static absl::StatusOr<std::unique_ptr<TlsContext>> Make(const TlsKeyLimits& limits = {});
  virtual ~TlsContext() = default;

  // `fd` stays the caller's.
  virtual std::unique_ptr<Tls> Connect(int fd, const SessionKey& key) = 0;
  // `find`: the secret of a session, if there is such a session; called within Handshake.
  using FindSecret = std::function<std::optional<SessionSecret>(uint64_t session)>;
  virtual std::unique_ptr<Tls> Accept(int fd, FindSecret find) = 0;
};

}  // namespace baton::ha
