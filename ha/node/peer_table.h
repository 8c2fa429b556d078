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

// Thread-safe.
class PeerTable {
 public:
  struct Peer {
    Heartbeat last;
    absl::Duration silence;  // since it came
  };

  // `suspect_after`: the coordinator takes a peer for silent after that.
  PeerTable(Runtime& runtime, absl::Duration suspect_after)
      : runtime_(runtime), suspect_after_(suspect_after) {}

  // A heartbeat came just now.
  void Note(const Heartbeat& heartbeat);

  // Of those that were ever heard, by name.
  std::map<std::string, Peer> All() const;
  // Nullopt: it was never heard.
  std::optional<Peer> Find(const std::string& name) const;
  // Since its last heartbeat; InfiniteDuration: it was never heard.
  absl::Duration SilenceOf(const std::string& name) const;
  // A heartbeat lost more or less is none of a peer's fault: it is heard for twice
  // `suspect_after`.
  bool Hears(const std::string& name) const { return IsHeard(SilenceOf(name)); }
  bool IsHeard(absl::Duration silence) const { return silence < 2 * suspect_after_; }
  // Within `suspect_after`: for whoever relies on the peer from now on.
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
    return runtime_.BootTime() - entry.heard >= suspect_after_;
  }
  bool HearsHealthy(const std::string& name) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  Runtime& runtime_;
  const absl::Duration suspect_after_;
  mutable absl::Mutex mutex_;
  absl::CondVar changed_;
  std::map<std::string, Entry> peers_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace baton::ha
