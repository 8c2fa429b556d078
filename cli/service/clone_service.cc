#include "cli/service/clone_service.h"

#include <algorithm>

#include "engine/base/status.h"

namespace baton::control {

absl::StatusOr<CloneId> CloneService::Create(const CloneCreate& request) {
  BATON_RETURN_IF_ERROR(Prepare(request));
  CloneId answer;
  BATON_ASSIGN_OR_RETURN(
      const uint64_t id,
      engine_.CreateClone({.source = request.source(),
                           .target = request.target(),
                           .extent_bytes = request.extent_bytes(),
                           .rate_bytes_per_second = request.rate_bytes_per_second(),
                           .latency_target_us = request.latency_target_us(),
                           .on_error = request.on_error(),
                           .no_digests = request.no_digests()}));
  answer.set_id(id);
  return answer;
}

// What the engine refuses anyway is left to it.
absl::Status CloneService::Prepare(const CloneCreate& request) const {
  const absl::StatusOr<VolumeInfo> source = engine_.FindVolume(request.source());
  const absl::StatusOr<VolumeInfo> target = engine_.FindVolume(request.target());
  const bool is_refused = !source.ok() || !target.ok() || source->id == target->id ||
                          source->size_bytes != target->size_bytes;
  if (!peers_.prepare || is_refused) return absl::OkStatus();
  return peers_.prepare(request.source(), request.target(), source->size_bytes, request.degraded());
}

absl::StatusOr<CloneList> CloneService::Activate(const CloneNames& request) {
  if (peers_.await_opens) BATON_RETURN_IF_ERROR(peers_.await_opens(request.degraded()));
  BATON_ASSIGN_OR_RETURN(CloneList list, ApplyToAll(&Engine::ActivateClones, request.clones()));
  if (!peers_.activated) return list;
  std::vector<uint64_t> ids;
  for (const CloneStatus& clone : list.clones()) ids.push_back(clone.id());
  peers_.activated(ids);
  return list;
}

absl::StatusOr<CloneList> CloneService::Start(const CloneNames& request) {
  return ApplyToAll(&Engine::StartClones, request.clones());
}

absl::StatusOr<CloneStatus> CloneService::Pause(const CloneName& request) {
  return Apply(&Engine::PauseClone, request.clone());
}

absl::StatusOr<CloneStatus> CloneService::Resume(const CloneName& request) {
  return Apply(&Engine::ResumeClone, request.clone());
}

absl::StatusOr<CloneStatus> CloneService::Stop(const CloneName& request) {
  return Apply(&Engine::StopClone, request.clone());
}

absl::StatusOr<CloneId> CloneService::Delete(const CloneName& request) {
  CloneId answer;
  BATON_ASSIGN_OR_RETURN(const uint64_t id, engine_.FindClone(request.clone()));
  BATON_ASSIGN_OR_RETURN(const CloneStatus clone, engine_.ShowClone(id));
  BATON_RETURN_IF_ERROR(engine_.DeleteClone(id));
  TellContentChanged(clone.target());  // one that was not completed is emptied
  answer.set_id(id);
  return answer;
}

absl::StatusOr<CloneStatus> CloneService::Set(const CloneSet& request) {
  BATON_ASSIGN_OR_RETURN(const uint64_t id, engine_.FindClone(request.clone()));
  BATON_RETURN_IF_ERROR(engine_.SetCloneRate(id, request.rate_bytes_per_second()));
  return engine_.ShowClone(id);
}

absl::StatusOr<CloneStatus> CloneService::SetLatency(const CloneSetLatency& request) {
  BATON_ASSIGN_OR_RETURN(const uint64_t id, engine_.FindClone(request.clone()));
  BATON_RETURN_IF_ERROR(engine_.SetCloneLatencyTarget(id, request.latency_target_us()));
  return engine_.ShowClone(id);
}

absl::StatusOr<CloneStatus> CloneService::Apply(Change change, const std::string& clone) {
  BATON_ASSIGN_OR_RETURN(const uint64_t id, engine_.FindClone(clone));
  BATON_RETURN_IF_ERROR((engine_.*change)(id));
  return engine_.ShowClone(id);
}

absl::StatusOr<CloneList> CloneService::ApplyToAll(GroupChange change, const Names& clones) {
  std::vector<uint64_t> ids;
  for (const std::string& clone : clones) {
    BATON_ASSIGN_OR_RETURN(const uint64_t id, engine_.FindClone(clone));
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  }
  if (ids.size() > limits::kMaxActiveRelations) {
    return Error(absl::StatusCode::kInvalidArgument, "{} clones in one command; at most {} are",
                 ids.size(), limits::kMaxActiveRelations);
  }
  BATON_RETURN_IF_ERROR((engine_.*change)(ids));
  CloneList list;
  for (const uint64_t id : ids) {
    BATON_ASSIGN_OR_RETURN(CloneStatus clone, engine_.ShowClone(id));
    TellContentChanged(clone.target());
    *list.add_clones() = std::move(clone);
  }
  return list;
}

void CloneService::TellContentChanged(const std::string& target) const {
  const absl::StatusOr<VolumeInfo> volume = engine_.FindVolume(target);
  if (volume.ok()) content_changed_(volume->id);
}

}  // namespace baton::control
