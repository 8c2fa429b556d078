// The states of a clone relation and what may happen in each. One table; each transition is
// durable before it is visible.
#pragma once

#include <absl/status/status.h>

#include <string>

#include "engine/base/clone_state.h"
#include "engine/base/model.pb.h"

namespace baton {

// What can happen to a relation: commands of users, and what the engine finds out.
enum class Action { kActivate, kStart, kPause, kResume, kStop, kDelete, kVerify, kComplete, kFail };

// "activate", "start", …
std::string Name(Action action);

// The state after `action` (Delete and Verify leave it as it is). FailedPrecondition when the
// state does not allow it; the message says which states do.
absl::Status CheckAllowed(Action action, const RelationRecord& relation);
RelationState StateAfter(Action action, RelationState state);

// Preserving goes on: copying or paused.
bool IsRunning(RelationState state);
// The target is not a T0 image and not what it was: activated, stopped, failed.
bool IsTargetOffline(RelationState state);
// The relation has a hold on its volumes: everything but created, completed, stopped, failed.
bool IsActive(RelationState state);

}  // namespace baton
