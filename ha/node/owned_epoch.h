// One epoch of the pool, from the claim by this controller to its end.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/posix_storage.h"
#include "engine/base/runtime.h"
#include "engine/engine.h"
#include "engine/lease/claim.h"
#include "engine/meta/node_identity.h"
#include "ha/node/watchdog.h"

namespace baton::ha {

// Thread-safe, but for its making and its end.
class OwnedEpoch {
 public:
  struct Options {
    PosixStorage& storage;
    Runtime& runtime;
    NodeIdentity identity;
    LeaseTimes lease_times;
    PauseMeter* pauses = nullptr;  // Lease::Options
    Durability durability = DURABILITY_NODE;
    // Runs as long as this controller may write, and resets the node if it does not go on in time.
    Watchdog::Options watchdog = {};
    // The epoch is lost, or the engine cannot go on. At most twice, from any thread; takes note
    // and returns.
    std::function<void(const absl::Status&)> on_fault;
    // Engine::Options.
    std::function<void(uint64_t volume_id)> on_lock_freed = {};
  };

  // Claims the epoch after the one that `gone` is about. FailedPrecondition: somebody else has
  // claimed it. Errors: Watchdog::Start, too.
  static absl::StatusOr<std::unique_ptr<OwnedEpoch>> Claim(Options options, const OwnerGone& gone);
  // Opens what the epoch before has left: all that is found is durable when it returns OK, and
  // background copies rest until Engine::StartCopiers.
  absl::Status Open();
  ~OwnedEpoch();  // gives the epoch back, where that was not done

  // REQUIRES: Open returned OK.
  Engine& engine() { return *engine_; }
  const Storage& storage() const { return options_.storage; }
  uint64_t epoch() const { return claimed_.epoch; }
  // The class of proof by which it was claimed.
  Proof proof() const { return proof_; }
  // What the next owner would take from its claim until it serves: as long as it took here, and
  // what is in the write log by now. REQUIRES: Open returned OK. Never waits for storage.
  absl::Duration ExpectedRecovery() const;
  // OK while this controller may write.
  absl::Status Check() const { return claimed_.lease->Check(); }

  // The event of the claim, which nobody need wait for.
  absl::Status RecordClaim();
  absl::Status RecordEvent(const std::string& kind, const std::string& text);

  // The end in good order, in two steps. Stops with feedback (Engine::Seal): calls that use the
  // engine end soon after that.
  absl::StatusOr<std::vector<Residual>> Seal();
  // Closes the engine and gives the epoch back. REQUIRES: nobody uses the engine any more.
  absl::Status Release();

 private:
  absl::Status StartWatchdog();
  absl::Status StopWatchdog();

  OwnedEpoch(Options options, const OwnerGone& gone)
      : options_(std::move(options)), proof_(gone.proof), begun_(options_.runtime.BootTime()) {}

  const Options options_;
  const Proof proof_;
  const absl::Duration begun_;
  absl::Duration recovery_;             // from there until it was open
  std::unique_ptr<Watchdog> watchdog_;  // null: there is none
  ClaimedEpoch claimed_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace baton::ha
