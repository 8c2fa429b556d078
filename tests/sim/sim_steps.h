// What the devices of one simulated machine have in common: the count of their steps, the moment
// of the crash, the faults.
#pragma once

#include <absl/status/status.h>

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/sim/sim_random.h"
#include "tests/sim/sim_runtime.h"

namespace baton::sim {

enum class OperationKind {
  kRead,  // no step: has no effect that a crash could cut short
  kWrite,
  kSync,
  kPunchHole,
  kZeroRange,
  kAllocate,
  kTruncate,
  kCreate,
  kMakeDirectory,
  kRename,
  kLink,
  kRemove,
  kSyncDirectory,
  kMetaWrite,        // of the metadata store, not synced
  kMetaDurableWrite  // of the metadata store, synced
};

struct Operation {
  OperationKind kind;
  std::string_view path;  // as the file was opened; empty for the metadata store
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

enum class CrashKind {
  kProcess,  // kill -9: what completed stays; what was in flight happened, or a part, or not
  kNode,     // what completed by direct I/O stays, the page cache is lost like with kPower
  kPower,    // only what was synced is sure to stay
};

using Matcher = std::function<bool(const Operation&)>;

// Operations of that kind, on that file; without a path on any file.
inline Matcher Matching(OperationKind kind, std::string path = {}) {
  return [kind, path = std::move(path)](const Operation& operation) {
    return operation.kind == kind && (path.empty() || operation.path == path);
  };
}

// A failure that an operation is made to return.
struct Fault {
  Matcher matches;    // empty: every step
  uint64_t skip = 0;  // matching operations that succeed before
  absl::Status status;
  bool sticky = false;  // every later match fails too
};

// Every operation of a device is Begin, its effect, End; both yield, so that others run before
// the effect and between it and the answer.
class Steps {
 public:
  // How much of an operation's effect takes place.
  enum class Fate { kAll, kPart, kNothing };
  struct Flight {
    absl::Status status;
    Fate fate = Fate::kAll;
    uint64_t boot = 0;
  };

  Steps(SimRuntime& runtime, uint64_t seed) : runtime_(runtime), random_(seed) {}

  // Operations begun so far, reads excepted.
  uint64_t count() const { return count_; }
  // The crash comes with the step of that number (the first is 1), which is then in flight, like
  // all others that have begun and not ended. From then on every operation returns Aborted and
  // has no effect, except that what was in flight may have had its.
  void CrashAt(uint64_t step, CrashKind kind);
  void CrashNow(CrashKind kind);
  bool crashed() const { return crashed_; }
  CrashKind crash_kind() const { return crash_kind_; }
  // Ends the crash. What was opened before stays Aborted for ever.
  void Restart();
  // Grows with every Restart.
  uint64_t boot() const { return boot_; }

  void Inject(Fault fault) { faults_.push_back({std::move(fault), 0}); }
  void ClearFaults() { faults_.clear(); }
  // Told of every operation that took effect and did not fail, reads included. Must not call
  // devices.
  void Observe(std::function<void(const Operation&)> observer) { observer_ = std::move(observer); }

  // `boot`: of the handle that is used.
  Flight Begin(const Operation& operation, uint64_t boot);
  // Before an effect that does not follow Begin at once: the crash may have come meanwhile.
  void Recheck(Flight& flight);
  // Call it after the effect; only when it is OK the operation has completed.
  absl::Status End(const Operation& operation, const Flight& flight);
  // A yield within the effect; false when the crash came there: do no more.
  bool Pause(const Flight& flight);

  // For what has no effect and takes no time: Aborted after a crash, and for handles from before.
  absl::Status CheckAlive(uint64_t boot) const;

  SimRuntime& runtime() { return runtime_; }
  Random& random() { return random_; }

 private:
  struct Armed {
    Fault fault;
    uint64_t seen = 0;
  };

  bool Dead(uint64_t boot) const { return crashed_ || boot != boot_; }
  absl::Status FaultOf(const Operation& operation);
  Fate DrawFate();

  SimRuntime& runtime_;
  Random random_;  // of fates alone: arming a crash changes nothing before it
  uint64_t count_ = 0;
  uint64_t crash_at_ = 0;  // 0: never
  CrashKind crash_kind_ = CrashKind::kPower;
  bool crashed_ = false;
  uint64_t boot_ = 1;
  std::vector<Armed> faults_;
  std::function<void(const Operation&)> observer_;
};

}  // namespace baton::sim
