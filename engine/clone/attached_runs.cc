#include "engine/clone/attached_runs.h"

#include <utility>

#include "engine/base/status.h"
#include "engine/clone/plugins.h"

namespace baton {

AttachedRuns::Attached* AttachedRuns::Find(uint64_t id) {
  const auto found = attached_.find(id);
  return found == attached_.end() ? nullptr : &found->second;
}

void AttachedRuns::RemoveView(View& view) {
  if (view.plugin != nullptr) view.run->target()->path.Remove(view.plugin);
  view = {};
}

void AttachedRuns::RemoveSourcePlugin(const CloneLocks::Command& command, Attached& attached) {
  if (attached.source_plugin == nullptr) return;
  attached.view.run->source()->path.Remove(attached.source_plugin);
  attached.source_plugin = nullptr;
  redirects_.Remove(command, *attached.view.run);
}

void AttachedRuns::ShowView(const CloneLocks::Command&, uint64_t id,
                            std::shared_ptr<CloneRun> run) {
  Attached& attached = attached_[id];
  attached.earlier = std::exchange(attached.view, {});
  attached.view.plugin = std::make_shared<TargetPlugin>(run);
  attached.view.run = std::move(run);
  attached.view.run->target()->path.Install(attached.view.plugin);
}

void AttachedRuns::DropEarlierView(const CloneLocks::Command&, uint64_t id) {
  if (Attached* const attached = Find(id)) RemoveView(attached->earlier);
}

void AttachedRuns::WithdrawView(const CloneLocks::Command&, uint64_t id) {
  Attached* const attached = Find(id);
  if (attached == nullptr) return;
  RemoveView(attached->view);
  attached->view = std::exchange(attached->earlier, {});
  if (attached->view.run == nullptr) attached_.erase(id);
}

void AttachedRuns::Preserve(const CloneLocks::Command& command, uint64_t id) {
  Attached& attached = attached_.at(id);
  redirects_.Add(command, attached.view.run);
  attached.source_plugin = std::make_shared<SourcePlugin>(
      attached.view.run,
      [this, id](const absl::Status& why) { return on_preserve_failed_(id, why); });
  attached.view.run->source()->path.Install(attached.source_plugin);
}

void AttachedRuns::LeaveSource(const CloneLocks::Command& command, uint64_t id) {
  if (Attached* const attached = Find(id)) RemoveSourcePlugin(command, *attached);
}

void AttachedRuns::Remove(const CloneLocks::Command& command, uint64_t id) {
  Attached* const attached = Find(id);
  if (attached == nullptr) return;
  StopJob(command, id);
  RemoveSourcePlugin(command, *attached);
  RemoveView(attached->view);
  RemoveView(attached->earlier);
  attached_.erase(id);
}

void AttachedRuns::StartJob(const CloneLocks::Command&, uint64_t id, const Pace& pace) {
  Attached& attached = attached_.at(id);
  attached.job = std::make_shared<CopyJob>(id, attached.view.run, pace.bytes_per_second);
  copier_.SetLatencyTarget(*attached.job, pace.latency_target);
  copier_.Add(attached.job);
}

void AttachedRuns::StopJob(const CloneLocks::Command&, uint64_t id) {
  Attached* const attached = Find(id);
  if (attached == nullptr || attached->job == nullptr) return;
  copier_.Remove(std::exchange(attached->job, nullptr));
}

void AttachedRuns::SetRate(const CloneLocks::Command&, uint64_t id, uint64_t bytes_per_second) {
  Attached* const attached = Find(id);
  if (attached == nullptr || attached->job == nullptr) return;
  attached->job->throttle.SetRate(bytes_per_second);
  copier_.Wake();
}

void AttachedRuns::SetLatencyTarget(const CloneLocks::Command&, uint64_t id,
                                    absl::Duration target) {
  Attached* const attached = Find(id);
  if (attached == nullptr || attached->job == nullptr) return;
  copier_.SetLatencyTarget(*attached->job, target);
}

bool AttachedRuns::HasJob(const CloneLocks::Command&, uint64_t id, const CopyJob* job) const {
  const auto found = attached_.find(id);
  return found != attached_.end() && found->second.job.get() == job;
}

absl::Status AttachedRuns::Detach(const CloneLocks::Command& command, uint64_t id) {
  Attached* const attached = Find(id);
  if (attached == nullptr) return absl::OkStatus();
  StopJob(command, id);
  BATON_RETURN_IF_ERROR(attached->view.run->Drain());
  RemoveSourcePlugin(command, *attached);
  return absl::OkStatus();
}

}  // namespace baton
