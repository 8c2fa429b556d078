#include "engine/clone/state.h"

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/status.h"

namespace baton {
namespace {

struct Transition {
  Action action;
  RelationState from;
  RelationState to;
};

constexpr Transition kTable[] = {
    {Action::kActivate, CREATED, ACTIVATED},
    {Action::kActivate, STOPPED, ACTIVATED},  // anew: a new T0, a new run
    {Action::kActivate, FAILED, ACTIVATED},
    {Action::kStart, ACTIVATED, COPYING},
    {Action::kPause, COPYING, PAUSED},
    {Action::kResume, PAUSED, COPYING},
    {Action::kStop, ACTIVATED, STOPPED},
    {Action::kStop, COPYING, STOPPED},
    {Action::kStop, PAUSED, STOPPED},
    {Action::kDelete, CREATED, CREATED},
    {Action::kDelete, COMPLETED, COMPLETED},
    {Action::kDelete, STOPPED, STOPPED},
    {Action::kDelete, FAILED, FAILED},
    {Action::kVerify, COMPLETED, COMPLETED},
    {Action::kComplete, COPYING, COMPLETED},
    {Action::kFail, ACTIVATED, FAILED},  // at a start: its volumes do not fit it any more
    {Action::kFail, COPYING, FAILED},
    {Action::kFail, PAUSED, FAILED},
};

std::optional<RelationState> Find(Action action, RelationState from) {
  for (const Transition& row : kTable) {
    if (row.action == action && row.from == from) return row.to;
  }
  return std::nullopt;
}

std::string StatesThatAllow(Action action) {
  std::string names;
  for (const Transition& row : kTable) {
    if (row.action != action) continue;
    if (!names.empty()) names += ", ";
    names += Name(row.from);
  }
  return names;
}

}  // namespace

std::string Name(Action action) {
  switch (action) {
    case Action::kActivate:
      return "activate";
    case Action::kStart:
      return "start";
    case Action::kPause:
      return "pause";
    case Action::kResume:
      return "resume";
    case Action::kStop:
      return "stop";
    case Action::kDelete:
      return "delete";
    case Action::kVerify:
      return "verify";
    case Action::kComplete:
      return "complete";
    case Action::kFail:
      return "fail";
  }
  return "unknown";
}

absl::Status CheckAllowed(Action action, const RelationRecord& relation) {
  if (Find(action, relation.state())) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition,
               "cannot {} clone {} ({} -> {}): it is {}, and {} needs: {}", Name(action),
               relation.id(), relation.source(), relation.target(), Name(relation.state()),
               Name(action), StatesThatAllow(action));
}

RelationState StateAfter(Action action, RelationState state) {
  return Find(action, state).value_or(state);
}

bool IsRunning(RelationState state) { return state == COPYING || state == PAUSED; }

bool IsTargetOffline(RelationState state) {
  return state == ACTIVATED || state == STOPPED || state == FAILED;
}

bool IsActive(RelationState state) { return state == ACTIVATED || IsRunning(state); }

}  // namespace baton
