// What `baton drill` asks of the owner: whether the pair can stand it, the blow itself, and a
// record of both in the events.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cli/control/control.pb.h"
#include "engine/base/runtime.h"
#include "engine/engine.h"

namespace baton::control {

// Thread-safe.
class DrillService {
 public:
  // How this process is killed; both are empty where it is none of its own.
  struct Crasher {
    // FailedPrecondition: its mount would not survive that.
    std::function<absl::Status()> check;
    // In `delay`, as by kill -KILL.
    std::function<absl::Status(absl::Duration delay)> give;
  };
  struct Options {
    Engine& engine;
    Runtime& runtime;
    std::function<ControllerStatus()> status;  // as `baton status` has it
    // Returns when it is known what is open on every node; empty: there is one.
    std::function<absl::Status(bool degraded)> await_opens;
    Crasher crash;
    // Cuts this node off from its peers for so long; empty: there are none.
    std::function<absl::Status(absl::Duration time)> isolate;
  };

  explicit DrillService(Options options) : options_(std::move(options)) {}

  // FailedPrecondition: the pair could not stand it, or another drill runs. ResourceExhausted: too
  // little space. Nothing has changed then.
  absl::StatusOr<DrillBegun> Begin(const DrillBegin& request, const Caller& caller)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Both record it durably before it happens. FailedPrecondition: there is no such drill, or the
  // pair has become degraded.
  absl::StatusOr<DrillStruck> Crash(const DrillOrder& request, const Caller& caller);
  absl::StatusOr<DrillStruck> Partition(const DrillPartition& request, const Caller& caller);
  absl::StatusOr<Done> End(const DrillEnd& request, const Caller& caller);

 private:
  // What the events say of a drill.
  struct Past {
    absl::Time began;
    bool ended = false;
  };

  absl::Status CheckCrash() const;
  absl::Status CheckFit(const DrillBegin& request) const;
  absl::StatusOr<std::map<std::string, Past>> ReadPast() const;
  absl::StatusOr<std::vector<std::string>> FindLeftovers() const;
  bool IsOpen(const std::string& volume) const;
  absl::StatusOr<DrillStruck> Announce(const std::string& volume, const std::string& what,
                                       const Caller& caller) const;
  absl::Status Record(const std::string& kind, const std::string& text) const;

  const Options options_;
  absl::Mutex mutex_;  // held over I/O: one drill begins at a time
};

}  // namespace baton::control
