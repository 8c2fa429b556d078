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
// at once, but there is none before what runs of the earlier one has ended. The same holds for each
// of the kStreamsPerPeer places of a session, which a stream has: a new stream ends the earlier one
// of its place, and has its turn when what runs of that one has ended. So a request that is sent
// again in a later session, or on a later stream of its place, is never overtaken by its first
// copy. Thread-safe; bounded by the number of peers.
class ForwardSessions {
 public:
  struct Place {
    Stream* stream = nullptr;  // the last one, while it is there
    uint64_t streams = 0;      // that have had it
    bool runs = false;         // a request of one of them
    bool runs_late = false;    // ... which has lost the place
  };
  struct Peer {
    std::string name;
    SessionKey key;      // of the last session
    bool open = false;   // it has not ended
    size_t running = 0;  // requests of all sessions that the target has
    std::array<Place, kStreamsPerPeer> places = {};
  };
  // What a stream is in the book.
  struct Ticket {
    Peer* peer = nullptr;
    uint64_t session = 0;
    size_t place = 0;
    uint64_t stream = 0;  // Place::streams of that moment
  };

  // `runtime` outlives it.
  explicit ForwardSessions(Runtime& runtime) : runtime_(runtime) {}

  // Ends the earlier session of that peer and begins one. Unavailable: requests of the earlier one
  // run; it has ended, and there is no other one.
  absl::StatusOr<SessionKey> Begin(const std::string& peer) ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends the session of that peer. Returns when what runs now has ended; false: some of it still
  // runs after `timeout`.
  bool End(const std::string& peer, absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends the session that the stream belongs to.
  void End(const Ticket& ticket) ABSL_LOCKS_EXCLUDED(mutex_);
  void EndAll() ABSL_LOCKS_EXCLUDED(mutex_);

  // What proves that somebody belongs to that session, which may have ended.
  std::optional<SessionSecret> Find(uint64_t session) const ABSL_LOCKS_EXCLUDED(mutex_);
  // A stream of that session takes a place below kStreamsPerPeer; the one that had it is shut down,
  // as is this one when the session ends. A null peer: the session has ended, or requests of
  // kLostStreamsPerPeer lost streams run. Otherwise Leave() follows before the stream is gone.
  Ticket Join(uint64_t session, size_t place, Stream& stream) ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits until nothing runs of the streams that had the place before. False: the session has
  // ended, or another stream has the place.
  bool AwaitTurn(const Ticket& ticket) ABSL_LOCKS_EXCLUDED(mutex_);
  void Leave(const Ticket& ticket) ABSL_LOCKS_EXCLUDED(mutex_);

  // A request of that stream begins; false: its session has ended, or another stream has the place.
  // Otherwise Finish() follows. After AwaitTurn(), one at a time.
  bool Run(const Ticket& ticket) ABSL_LOCKS_EXCLUDED(mutex_);
  void Finish(const Ticket& ticket) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  static bool IsOfSession(const Ticket& ticket);
  static bool IsCurrent(const Ticket& ticket);
  static bool MayTake(const Peer& peer, const Place& place);
  static void EndStream(Place& place);
  void EndSession(Peer& peer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Peer* FindPeer(uint64_t session) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  Runtime& runtime_;
  mutable absl::Mutex mutex_;
  absl::CondVar changed_;  // a request has ended, or a session, or a stream's place was taken
  // Never erased: tickets point into it.
  mutable std::map<std::string, Peer> peers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton::ha
