#include "cli/service/pool_queries.h"

#include <absl/strings/numbers.h>

#include <algorithm>
#include <vector>

#include "cli/control/issues.h"
#include "cli/service/replies.h"
#include "cli/service/reply_budget.h"
#include "engine/base/clone_state.h"
#include "engine/base/status.h"

namespace baton::control {
namespace {

constexpr size_t kDefaultEvents = 1000;
constexpr int kMaxProblems = 16;  // in one status

absl::StatusOr<CloneList> ListClones(const PoolView& pool, const Page& page) {
  uint64_t after = 0;
  if (!page.after().empty() && !absl::SimpleAtoi(page.after(), &after)) {
    return Error(absl::StatusCode::kInvalidArgument, "\"{}\" is not a clone's number",
                 page.after());
  }
  CloneList list;
  ReplyBudget budget;
  for (CloneStatus& clone : pool.ListClones()) {
    if (clone.id() <= after) continue;
    if (!budget.Take(clone)) break;
    *list.add_clones() = std::move(clone);
  }
  return list;
}

absl::StatusOr<CloneStatus> ShowClone(const PoolView& pool, const CloneName& request) {
  BATON_ASSIGN_OR_RETURN(const uint64_t id, pool.FindClone(request.clone()));
  return pool.ShowClone(id);
}

absl::StatusOr<ResidualAnswer> GetResidual(const PoolView& pool, const ResidualRequest& request) {
  ResidualAnswer answer;
  BATON_ASSIGN_OR_RETURN(const uint64_t id, pool.FindClone(request.clone()));
  BATON_ASSIGN_OR_RETURN(*answer.mutable_residual(), pool.CloneResidual(id, request.extents()));
  Residual& residual = *answer.mutable_residual();
  ReplyBudget budget;
  // The small ones first: copying and landing are bounded.
  uint64_t cut = residual.runs_left_out();
  cut += CutRuns(budget, *residual.mutable_copying());
  cut += CutRuns(budget, *residual.mutable_landing());
  cut += CutRuns(budget, *residual.mutable_pending());
  residual.set_runs_left_out(cut);
  answer.set_runs_left_out(cut);
  return answer;
}

absl::StatusOr<EventList> ListEvents(const PoolView& pool, const EventsRequest& request) {
  const size_t limit =
      request.limit() == 0 ? kDefaultEvents : std::min<size_t>(request.limit(), kDefaultEvents);
  uint64_t after = request.after_sequence();
  if (request.newest()) {
    BATON_ASSIGN_OR_RETURN(const uint64_t last, pool.LastEventAfter(after));
    if (last - after > limit) after = last - limit;
  }
  BATON_ASSIGN_OR_RETURN(std::vector<Event> events, pool.ListEvents(after, limit));
  EventList list;
  ReplyBudget budget;
  for (Event& event : events) {
    if (!budget.Take(event)) break;
    *list.add_events() = std::move(event);
  }
  return list;
}

}  // namespace

bool PoolQueries::IsAboutVolumes(const Request& request) {
  return request.has_volume_list() || request.has_volume_show();
}

std::optional<absl::Status> PoolQueries::Answer(const PoolView& pool, Allocation allocation,
                                                const Request& request, Response& response) const {
  switch (request.command_case()) {
    case Request::kVolumeList:
      return Put(ListVolumes(pool, allocation, request.volume_list()), response.mutable_volumes());
    case Request::kVolumeShow:
      return Put(ShowVolume(pool, allocation, request.volume_show().name()),
                 response.mutable_volume());
    case Request::kCloneList:
      return Put(ListClones(pool, request.clone_list()), response.mutable_clones());
    case Request::kCloneStatus:
      return Put(ShowClone(pool, request.clone_status()), response.mutable_clone());
    case Request::kCloneResidual:
      return Put(GetResidual(pool, request.clone_residual()), response.mutable_residual());
    case Request::kEvents:
      return Put(ListEvents(pool, request.events()), response.mutable_events());
    default:
      return std::nullopt;
  }
}

absl::StatusOr<VolumeStatus> PoolQueries::ShowVolume(const PoolView& pool, Allocation allocation,
                                                     const std::string& name) const {
  BATON_ASSIGN_OR_RETURN(VolumeStatus volume, pool.ShowVolume(name, allocation));
  volume.set_path(PathOf(name));
  return volume;
}

absl::StatusOr<VolumeList> PoolQueries::ListVolumes(const PoolView& pool, Allocation allocation,
                                                    const Page& page) const {
  VolumeList list;
  ReplyBudget budget;
  for (const VolumeInfo& info : pool.ListVolumes()) {
    if (info.name <= page.after()) continue;
    absl::StatusOr<VolumeStatus> volume = ShowVolume(pool, allocation, info.name);
    if (absl::IsNotFound(volume.status())) continue;  // deleted meanwhile
    if (!volume.ok()) return volume.status();
    if (!budget.Take(*volume)) break;
    *list.add_volumes() = *std::move(volume);
  }
  return list;
}

void PoolQueries::UseOwnPaths(Response& response) const {
  const auto use = [this](VolumeStatus& volume) { volume.set_path(PathOf(volume.name())); };
  if (response.has_volume()) use(*response.mutable_volume());
  if (!response.has_volumes()) return;
  for (VolumeStatus& volume : *response.mutable_volumes()->mutable_volumes()) use(volume);
}

void AddClones(const PoolView* pool, ControllerStatus& status) {
  ReplyBudget budget;
  for (CloneStatus& clone : pool == nullptr ? std::vector<CloneStatus>() : pool->ListClones()) {
    if (StateOf(clone) == FAILED && status.problems_size() < kMaxProblems) {
      AddProblem(IssueKind::kClone,
                 fmt::format("clone {} ({} -> {}) failed: {}", clone.id(), clone.source(),
                             clone.target(), clone.error()),
                 status);
    }
    if (budget.Take(clone)) {
      *status.add_clones() = std::move(clone);
    } else {
      status.set_clones_left_out(status.clones_left_out() + 1);
    }
  }
  status.set_healthy(status.problems().empty());
}

}  // namespace baton::control
