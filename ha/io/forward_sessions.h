// Whose forwarded requests are served: those of the last session of each peer, and only when
// nothing of an earlier one can take effect any more.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "engine/base/runtime.h"
#include "ha/io/peer_settings.h"
#include "ha/io/stream.h"
#include "ha/io/tls.h"

namespace baton::ha {

// The book of a server's sessions and their streams. A new session of a peer ends its earlier one
// at once, but there is none before what runs of the earlier one has ended. So a request that is
// sent again in a later session is never overtaken by its first copy. Thread-safe; bounded by the
// number of peers.
class ForwardSessions {
 public:
  struct Peer {
    std::string name;
    SessionKey key;      // of the last session
    bool open = false;   // it has not ended
    size_t running = 0;  // requests of all sessions that the target has
    std::array<Stream*, kStreamsPerPeer> joined = {};
  };
  // A stream's place in the book.
  struct Ticket {
    Peer* peer = nullptr;
    uint64_t session = 0;
  };

  // `runtime` outlives it.
  explicit ForwardSessions(Runtime& runtime) : runtime_(runtime) {}

  // Ends the earlier session of that peer and begins one. Unavailable: requests of the earlier one
  // run; it has ended, and there is no other one.
  absl::StatusOr<SessionKey> Begin(const std::string& peer) ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends the session of that peer. Returns when what runs has ended; false: some of it still runs
  // after `timeout`.
  bool End(const std::string& peer, absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends the session that the stream belongs to.
  void End(const Ticket& ticket) ABSL_LOCKS_EXCLUDED(mutex_);
  void EndAll() ABSL_LOCKS_EXCLUDED(mutex_);

  // What proves that somebody belongs to that session, which may have ended.
  std::optional<SessionSecret> Find(uint64_t session) const ABSL_LOCKS_EXCLUDED(mutex_);
  // A stream of that session, which is shut down when the session ends. A null peer: the session
  // has ended, or has kStreamsPerPeer. Leave() follows before the stream is gone.
  Ticket Join(uint64_t session, Stream& stream) ABSL_LOCKS_EXCLUDED(mutex_);
  void Leave(const Ticket& ticket, Stream& stream) ABSL_LOCKS_EXCLUDED(mutex_);

  // A request of that session begins; false: the session has ended. Otherwise Finish() follows.
  bool Run(const Ticket& ticket) ABSL_LOCKS_EXCLUDED(mutex_);
  void Finish(const Ticket& ticket) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  static bool IsCurrent(const Ticket& ticket);
  static void EndSession(Peer& peer);
  Peer* FindPeer(uint64_t session) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  Runtime& runtime_;
  mutable absl::Mutex mutex_;
  absl::CondVar finished_;
  // Never erased: tickets point into it.
  mutable std::map<std::string, Peer> peers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton::ha
