// What was last heard of each peer.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <map>
#include <optional>
#include <string>

#include "engine/base/runtime.h"
#include "ha/io/peer.pb.h"

namespace baton::ha {

// A heartbeat lost more or less is none of a peer's fault: one that is heard has sent one within
// this time.
inline constexpr absl::Duration kPeerIsHeard = absl::Seconds(1);
// Whoever relies on a peer from now on asks for a newer one.
inline constexpr absl::Duration kPeerIsHeardLately = absl::Milliseconds(500);

// Thread-safe.
class PeerTable {
 public:
  struct Peer {
    Heartbeat last;
    absl::Duration silence;  // since it came
  };

  explicit PeerTable(Runtime& runtime) : runtime_(runtime) {}

  // A heartbeat came just now.
  void Note(const Heartbeat& heartbeat);

  // Of those that were ever heard, by name.
  std::map<std::string, Peer> All() const;
  // Nullopt: it was never heard.
  std::optional<Peer> Find(const std::string& name) const;
  // Since its last heartbeat; InfiniteDuration: it was never heard.
  absl::Duration SilenceOf(const std::string& name) const;
  bool HearsLately(const std::string& name) const;
  // A peer is heard lately that may take over by itself.
  bool HearsEligible() const;

  // Waits until `name` (empty: any peer) is heard lately and is healthy, or for `deadline`, or
  // until Stop().
  void AwaitHealthy(const std::string& name, absl::Duration deadline);
  // Nobody waits any more.
  void Stop();

 private:
  struct Entry {
    Heartbeat last;
    absl::Duration heard;
  };

  bool IsLate(const Entry& entry) const {
    return runtime_.BootTime() - entry.heard >= kPeerIsHeardLately;
  }
  bool HearsHealthy(const std::string& name) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  Runtime& runtime_;
  mutable absl::Mutex mutex_;
  absl::CondVar changed_;
  std::map<std::string, Entry> peers_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace baton::ha
