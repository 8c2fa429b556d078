// How this controller follows the one before it at its mount.
#pragma once

#include <absl/time/time.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>

#include "cli/batond/pool_role.h"
#include "cli/control/control.pb.h"
#include "cli/keeper/keeper.pb.h"

namespace baton {

// Made known by the main thread before anybody else asks; else thread-safe.
class Succession {
 public:
  void Follow(keeper::Predecessor before, uint64_t restarts) {
    before_ = std::move(before);
    restarts_ = restarts;
  }
  // The mount is served from now on.
  void NoteServing(absl::Duration now) { serving_boot_ns_ = absl::ToInt64Nanoseconds(now); }
  // `came`: when the first request did; nullopt: it waited for this controller.
  void NoteFirstAnswer(std::optional<absl::Duration> came, absl::Duration now) {
    if (came) first_came_boot_ns_ = absl::ToInt64Nanoseconds(*came);
    first_answer_boot_ns_ = absl::ToInt64Nanoseconds(now);
  }

  // Records in the events how the one before ended and that this one serves.
  void Record(const RoleSlot& role) const;
  // Records how long requests waited for their first answer.
  void RecordFirstAnswer(const RoleSlot& role) const;
  void Describe(control::ControllerStatus& status) const;

 private:
  uint64_t WaitedMs(int64_t until_boot_ns) const;
  uint64_t FirstAnswerAfterMs() const;

  keeper::Predecessor before_;
  uint64_t restarts_ = 0;
  std::atomic<int64_t> serving_boot_ns_ = 0;
  std::atomic<int64_t> first_came_boot_ns_ = 0;    // 0: while nobody served
  std::atomic<int64_t> first_answer_boot_ns_ = 0;  // 0: none yet
};

}  // namespace baton
