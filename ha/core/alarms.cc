// What is wrong for as long as it is.
#include <fmt/format.h>

#include <algorithm>

#include "ha/core/machine.h"
#include "ha/core/proof_rules.h"

namespace baton::ha {
namespace {

constexpr Alarm kAlarms[] = {Alarm::kStorage,       Alarm::kOwnerSilent,  Alarm::kNoProof,
                             Alarm::kFenceFailed,   Alarm::kFenceUnready, Alarm::kTimesDiffer,
                             Alarm::kRecoveryFailed};

}  // namespace

void Machine::SyncAlarms() {
  for (const Alarm alarm : kAlarms) {
    const auto raised = std::find(alarms_.begin(), alarms_.end(), alarm);
    const std::optional<std::string> cause = Cause(alarm);
    if (cause && raised == alarms_.end()) {
      alarms_.push_back(alarm);
      Do(action::RaiseAlarm{.alarm = alarm, .text = *cause});
    } else if (!cause && raised != alarms_.end()) {
      alarms_.erase(raised);
      Do(action::ClearAlarm{alarm});
    }
  }
}

std::optional<std::string> Machine::Cause(Alarm alarm) const {
  switch (alarm) {
    case Alarm::kStorage:
      if (!facts_.storage() || facts_.StorageOk()) return std::nullopt;
      return facts_.storage()->text;
    case Alarm::kOwnerSilent:
      return OwnerSilentCause();
    case Alarm::kNoProof:
      return NoProofCause();
    case Alarm::kFenceFailed:
      if (facts_.FenceFailure() == nullptr) return std::nullopt;
      return facts_.FenceFailure()->text;
    case Alarm::kFenceUnready:
      if (facts_.FenceUnready() == nullptr) return std::nullopt;
      return fmt::format("node {} could not be fenced if it had to be: {}",
                         facts_.FenceUnready()->node, facts_.FenceUnready()->text);
    case Alarm::kTimesDiffer:
      if (facts_.OtherTimes().empty()) return std::nullopt;
      return facts_.OtherTimes();
    case Alarm::kRecoveryFailed:
      return recovery_failure_;
  }
  return std::nullopt;
}

std::optional<std::string> Machine::OwnerSilentCause() const {
  if (!IsStandby() || !IsSuspected() || facts_.Stale()) return std::nullopt;
  // By then the lease of an owner that is gone has been stale for long.
  if (facts_.OwnerSilentFor() < 2 * facts_.times().stale_after) return std::nullopt;
  return fmt::format("node {} is not heard but renews its lease of epoch {}: nobody takes over",
                     facts_.lease()->record.node, epoch());
}

std::optional<std::string> Machine::NoProofCause() const {
  const bool could_claim =
      IsStandby() && facts_.CanJudge() && facts_.lease() != nullptr && facts_.now() >= hold_until_;
  if (!could_claim || facts_.Unchanged() < WaitForTime(facts_)) return std::nullopt;
  if (FindProof(facts_, options_)) return std::nullopt;
  const bool may = MayPursue(facts_, options_);
  if (may && WantsFence(facts_, options_) && facts_.FenceFailure() == nullptr) return std::nullopt;
  const std::string what = facts_.Released() ? "has given it up" : "does not renew its lease";
  const std::string why = may ? "no proof that counts in mode fenced-only"
                              : "takeover is manual: an operator has to decide";
  return fmt::format("epoch {} has no owner, node {} {}: {}", epoch(), facts_.lease()->record.node,
                     what, why);
}

}  // namespace baton::ha
