// Asks the fence command now and then whether it could turn off peers that are well.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <string>

#include "engine/base/runtime.h"
#include "ha/node/event_queue.h"
#include "ha/node/fencing.h"
#include "ha/node/peer_table.h"
#include "ha/node/work_queue.h"

namespace baton::ha {

// A thread of its own, "fence-monitor", asks, so that it never delays a fence. Thread-safe.
class FenceMonitor {
 public:
  struct Options {
    FenceCall ask;
    absl::Duration every = absl::InfiniteDuration();  // for each peer; InfiniteDuration: never
  };

  // The references outlive this.
  FenceMonitor(Runtime& runtime, Options options, const PeerTable& peers, EventQueue& events);

  // Has the peer asked about whose turn it is, if any: of peers that are heard, one at a time.
  // FenceMonitored follows. Now and then.
  void Tick();
  // What the command took the last time; zero: it was never asked. To turn a node off may take
  // longer.
  absl::Duration took() const { return absl::Nanoseconds(took_ns_.load()); }
  // Waits for the command that runs.
  void Stop() { queue_.Stop(); }

 private:
  void Ask(const std::string& node);
  bool IsDue(const std::string& node, const PeerTable::Peer& peer)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The one that is due; empty: none, or one is being asked about.
  std::string NextDue();

  Runtime& runtime_;
  const Options options_;
  const PeerTable& peers_;
  EventQueue& events_;
  absl::Mutex mutex_;
  std::map<std::string, absl::Duration> next_ ABSL_GUARDED_BY(mutex_);  // by peer
  bool asking_ ABSL_GUARDED_BY(mutex_) = false;
  std::atomic<int64_t> took_ns_ = 0;
  WorkQueue queue_;
};

}  // namespace baton::ha
