#include "cli/baton/drill_volumes.h"

#include <fmt/format.h>

#include <utility>

#include "cli/baton/clone_calls.h"
#include "cli/baton/clone_follow.h"
#include "cli/baton/clone_text.h"
#include "cli/baton/clone_verify.h"
#include "cli/baton/patient_call.h"
#include "cli/control/drill_names.h"
#include "engine/base/clone_state.h"
#include "engine/base/status.h"

namespace baton {
namespace {

using control::Request;
using control::Response;

constexpr absl::Duration kCloseGrace = absl::Seconds(20);

}  // namespace

DrillVolumes::DrillVolumes(CommandContext& context, std::string volume)
    : context_(context), source_(std::move(volume)), target_(control::DrillTarget(source_)) {}

absl::Status DrillVolumes::Make(uint64_t size_bytes) {
  BATON_ASSIGN_OR_RETURN(source_path_, MakeVolume(source_, size_bytes));
  BATON_ASSIGN_OR_RETURN(target_path_, MakeVolume(target_, size_bytes));
  return absl::OkStatus();
}

absl::StatusOr<std::string> DrillVolumes::MakeVolume(const std::string& name, uint64_t size_bytes) {
  Request request;
  request.mutable_volume_create()->set_name(name);
  request.mutable_volume_create()->set_size_bytes(size_bytes);
  BATON_ASSIGN_OR_RETURN(const Response response, context_.client->Call(request));
  return response.volume().path();
}

absl::Status DrillVolumes::StartClone(uint64_t rate_bytes_per_second) {
  control::ControlClient& client = *context_.client;
  BATON_ASSIGN_OR_RETURN(
      const uint64_t number,
      CallCreateClone(client, {.source = source_,
                               .target = target_,
                               .rate = fmt::format("{}", rate_bytes_per_second)}));
  clone_ = CloneNumber(number);
  BATON_RETURN_IF_ERROR(CallActivate(client, {clone_}, /*degraded=*/false).status());
  return CallStart(client, {clone_}).status();
}

absl::StatusOr<CloneStatus> DrillVolumes::ShowClone(absl::Duration patience) {
  Request request;
  request.mutable_clone_status()->set_clone(clone_);
  BATON_ASSIGN_OR_RETURN(const Response response,
                         CallPatiently(*context_.client, request, patience));
  return response.clone();
}

absl::StatusOr<CloneStatus> DrillVolumes::FinishClone() {
  Request request;
  request.mutable_clone_set()->set_clone(clone_);
  const absl::Status hurried = CallPatiently(*context_.client, request, kAwayLimit).status();
  // One that is over takes no rate.
  if (!hurried.ok() && !absl::IsFailedPrecondition(hurried)) return hurried;
  const auto show = [this](const CloneStatus& clone) {
    context_.console.ShowProgress(fmt::format("{}: {} copied", Title(clone), PercentCopied(clone)));
  };
  BATON_ASSIGN_OR_RETURN(CloneStatus clone, FollowClone(context_, clone_, {}, show));
  BATON_RETURN_IF_ERROR(CheckCompleted(clone));
  return clone;
}

absl::Status DrillVolumes::Verify() {
  BATON_ASSIGN_OR_RETURN(const control::VerifyJob job, CallVerify(context_, clone_));
  const VerifyReport& report = job.report();
  if (report.extents_differing() == 0 && report.certificate() == report.certificate_now()) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kFailedPrecondition,
               "clone verify: {} of {} extents of {} differ from T0", report.extents_differing(),
               report.extents_total(), target_);
}

std::vector<std::string> DrillVolumes::Remove() {
  std::vector<std::string> left;
  const absl::Status removed = RemoveClone();
  if (!removed.ok() && !absl::IsNotFound(removed)) {
    left.push_back(fmt::format("baton clone stop {}", target_));
    left.push_back(fmt::format("baton clone delete {}", target_));
  }
  for (const std::string& volume : {target_, source_}) {
    const absl::Status deleted = DeleteClosedVolume(*context_.client, volume, kCloseGrace);
    if (deleted.ok() || absl::IsNotFound(deleted)) continue;
    left.push_back(fmt::format("baton volume delete {}", volume));
  }
  return left;
}

// By its target: the answer that had its number may have been lost.
absl::Status DrillVolumes::RemoveClone() {
  Request shown;
  shown.mutable_clone_status()->set_clone(target_);
  BATON_ASSIGN_OR_RETURN(const Response response,
                         CallPatiently(*context_.client, shown, kAwayLimit));
  const RelationState state = StateOf(response.clone());
  const std::string id = CloneNumber(response.clone().id());
  if (state == COPYING || state == PAUSED) {
    Request stop;
    stop.mutable_clone_stop()->set_clone(id);
    BATON_RETURN_IF_ERROR(CallPatiently(*context_.client, stop, kAwayLimit).status());
  }
  return CallDeleteClone(*context_.client, id).status();
}

}  // namespace baton
