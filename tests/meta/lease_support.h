// What the tests of the lease have in common.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/lease/lease.h"
#include "engine/meta/node_identity.h"
#include "tests/base/testing.h"
#include "tests/sim/sim_machine.h"

namespace baton {

// When the process would be killed; nullopt while nothing is armed.
using KillTime = std::shared_ptr<std::optional<absl::Duration>>;

class RecordingKillTimer final : public KillTimer {
 public:
  explicit RecordingKillTimer(KillTime time) : time_(std::move(time)) {}
  ~RecordingKillTimer() override { Disarm(); }
  absl::Status Arm(absl::Duration deadline) override {
    *time_ = deadline;
    return absl::OkStatus();
  }
  void Disarm() override { time_->reset(); }

 private:
  const KillTime time_;
};

// Goes on while the machine is paused, at three ticks a nanosecond.
class FakePauseClock final : public PauseClock {
 public:
  FakePauseClock(Runtime& runtime, const absl::Duration& paused)
      : runtime_(runtime), paused_(paused) {}
  uint64_t Ticks() const override {
    return static_cast<uint64_t>(3 * absl::ToInt64Nanoseconds(runtime_.BootTime() + paused_));
  }

 private:
  Runtime& runtime_;
  const absl::Duration& paused_;
};

inline KillTime MakeKillTime() { return std::make_shared<std::optional<absl::Duration>>(); }

inline LeaseRecord RecordOf(uint64_t epoch, const std::string& node) {
  return {.epoch = epoch,
          .counter = 1,
          .node = node,
          .boot_id = "boot-of-" + node,
          .instance = "instance-of-" + node};
}

inline NodeIdentity IdentityOf(const std::string& node) {
  return {.node = node, .boot_id = "boot-of-" + node, .instance = "instance-of-" + node};
}

// The directories that a pool has.
inline void MakePoolDirectories(Storage& storage) {
  for (const char* path : {"lease", "meta"}) ASSERT_OK(storage.MakeDirectory(path));
  ASSERT_OK(storage.SyncDirectory(""));
}

// From now on every renewal of an epoch fails.
inline sim::Fault FailRenewals(uint64_t epoch, bool sticky = true) {
  return {.matches = sim::Matching(sim::OperationKind::kWrite, LeasePath(epoch)),
          .status = absl::DataLossError("the device is gone"),
          .sticky = sticky};
}

}  // namespace baton
