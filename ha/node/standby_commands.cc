#include "ha/node/standby_commands.h"

#include <memory>

#include "engine/base/status.h"

namespace baton::ha {
namespace {

absl::Status CheckPrepare(Runtime& runtime, StandbyView& view, const peer_api::Prepare& prepare) {
  const absl::Duration deadline = runtime.BootTime() + kViewLag;
  while (true) {
    const absl::Status status =
        view.CheckPrepare(prepare.source(), prepare.target(), prepare.size_bytes());
    if (!absl::IsNotFound(status) || runtime.BootTime() >= deadline) return status;
    BATON_RETURN_IF_ERROR(view.Poll());
  }
}

}  // namespace

absl::StatusOr<std::shared_ptr<StandbyView>> StandbyCommands::View() const {
  BATON_RETURN_IF_ERROR(watch_.Health());
  std::shared_ptr<StandbyView> view = follower_.view();
  if (view == nullptr) return absl::UnavailableError("it does not follow the pool yet");
  return view;
}

// A job may begin, or go on, when nobody waits for it any more: what it uses it owns.
absl::StatusOr<peer_api::Answer> StandbyCommands::Prepare(const peer_api::Prepare& prepare) {
  BATON_ASSIGN_OR_RETURN(const std::shared_ptr<StandbyView> view, View());
  BATON_RETURN_IF_ERROR(jobs_.Do(
      [&runtime = runtime_, view, prepare] { return CheckPrepare(runtime, *view, prepare); }));
  return peer_api::Answer();
}

absl::StatusOr<peer_api::Answer> StandbyCommands::Activated(const peer_api::Clones& clones) {
  BATON_ASSIGN_OR_RETURN(const std::shared_ptr<StandbyView> view, View());
  BATON_RETURN_IF_ERROR(jobs_.Do([view, clones] {
    for (const uint64_t id : clones.ids()) BATON_RETURN_IF_ERROR(view->RegisterClone(id));
    return absl::OkStatus();
  }));
  return peer_api::Answer();
}

}  // namespace baton::ha
