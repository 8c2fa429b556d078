#include "cli/batond/succession.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>

#include "engine/base/status.h"

namespace baton {
namespace {

std::string KindOf(const keeper::Predecessor& before) {
  return before.cause() == keeper::CAUSE_UPGRADED ? "controller-upgraded" : "controller-restarted";
}

std::string NameOf(const keeper::Predecessor& before) {
  return before.pid() == 0 ? "the controller before" : fmt::format("process {}", before.pid());
}

uint64_t MsBetween(int64_t from_ns, int64_t to_ns) {
  return static_cast<uint64_t>(std::max<int64_t>(to_ns - from_ns, 0)) / 1'000'000;
}

std::string DescribeTakeover(const keeper::Predecessor& before, uint64_t waited_ms,
                             uint64_t restarts) {
  if (before.cause() == keeper::CAUSE_UPGRADED) {
    return fmt::format(
        "process {} (version {}) handed over to process {} (version {}); requests waited {} ms",
        before.pid(), before.version(), ::getpid(), BATON_VERSION, waited_ms);
  }
  return fmt::format("{} {}; process {} serves {} ms after that (restart {} of this mount)",
                     NameOf(before), before.ended(), ::getpid(), waited_ms, restarts);
}

}  // namespace

// Zero where it has not come yet.
uint64_t Succession::WaitedMs(int64_t until_boot_ns) const {
  return MsBetween(before_.waiting_since_boot_ns(), until_boot_ns);
}

// What nobody waited for is no stall.
uint64_t Succession::FirstAnswerAfterMs() const {
  const int64_t came = first_came_boot_ns_;
  return came == 0 ? WaitedMs(first_answer_boot_ns_) : MsBetween(came, first_answer_boot_ns_);
}

void Succession::Record(const RoleSlot& role) const {
  if (before_.cause() == keeper::CAUSE_NONE) return;
  absl::Status recorded;
  if (before_.cause() == keeper::CAUSE_HUNG) {
    recorded = role.RecordEvent(
        "controller-hung",
        fmt::format("process {} did not answer any more: its keeper killed it", before_.pid()));
  }
  const std::string text = DescribeTakeover(before_, WaitedMs(serving_boot_ns_), restarts_);
  spdlog::info("{}", text);
  recorded.Update(role.RecordEvent(KindOf(before_), text));
  if (!recorded.ok()) spdlog::warn("events are missing: {}", Message(recorded));
}

void Succession::RecordFirstAnswer(const RoleSlot& role) const {
  if (before_.cause() == keeper::CAUSE_NONE) return;
  const std::string since = first_came_boot_ns_ == 0
                                ? "after the end of " + NameOf(before_)
                                : "after it came; none waited while nobody served";
  const absl::Status recorded = role.RecordEvent(
      "io-resumed",
      fmt::format("the first request was answered {} ms {}", FirstAnswerAfterMs(), since));
  if (!recorded.ok()) spdlog::warn("an event is missing: {}", Message(recorded));
}

void Succession::Describe(control::ControllerStatus& status) const {
  status.set_restarts(restarts_);
  if (before_.cause() == keeper::CAUSE_NONE) return;
  status.set_serving_after_ms(WaitedMs(serving_boot_ns_));
  status.set_first_answer_after_ms(FirstAnswerAfterMs());
}

}  // namespace baton
