#include "tests/cli/fake_engine.h"

#include <absl/time/clock.h>

#include <algorithm>

#include "engine/base/clone_state.h"
#include "engine/base/names.h"
#include "engine/base/status.h"

namespace baton {
namespace {

absl::Status NoVolume(const std::string& name) {
  return Error(absl::StatusCode::kNotFound, "there is no volume {}", name);
}

absl::Status NoClone(uint64_t id) {
  return Error(absl::StatusCode::kNotFound, "there is no clone {}", id);
}

}  // namespace

absl::StatusOr<VolumeInfo> FakeEngine::CreateVolume(const VolumeOptions& options) {
  BATON_RETURN_IF_ERROR(CheckVolumeSize(options.size_bytes));
  absl::MutexLock guard(&mutex_);
  if (volumes_.contains(options.name)) {
    return Error(absl::StatusCode::kAlreadyExists, "volume {} exists", options.name);
  }
  ++changes_;
  VolumeStatus& volume = volumes_[options.name];
  volume.set_id(++last_id_);
  volume.set_name(options.name);
  volume.set_size_bytes(options.size_bytes);
  volume.set_thick(options.thick);
  volume.set_importing(options.importing);
  return VolumeInfo{.id = volume.id(), .name = options.name, .size_bytes = options.size_bytes};
}

absl::StatusOr<VolumeInfo> FakeEngine::AdoptVolume(const std::string& name) {
  {
    absl::MutexLock guard(&mutex_);
    if (files_.erase(name) == 0) {
      return Error(absl::StatusCode::kNotFound, "there is no file volumes/{}", name);
    }
  }
  return CreateVolume({.name = name, .size_bytes = 1 << 20});
}

void FakeEngine::SetFile(const std::string& name) {
  absl::MutexLock guard(&mutex_);
  files_.insert(name);
}

absl::Status FakeEngine::FinishImport(const std::string& name) {
  absl::MutexLock guard(&mutex_);
  const auto found = volumes_.find(name);
  if (found == volumes_.end()) return NoVolume(name);
  ++changes_;
  found->second.set_importing(false);
  return absl::OkStatus();
}

absl::Status FakeEngine::ResizeVolume(const std::string& name, uint64_t size_bytes) {
  absl::MutexLock guard(&mutex_);
  const auto found = volumes_.find(name);
  if (found == volumes_.end()) return NoVolume(name);
  ++changes_;
  found->second.set_size_bytes(size_bytes);
  return absl::OkStatus();
}

absl::Status FakeEngine::RenameVolume(const std::string& name, const std::string& to) {
  absl::MutexLock guard(&mutex_);
  auto volume = volumes_.extract(name);
  if (volume.empty()) return NoVolume(name);
  ++changes_;
  volume.key() = to;
  volume.mapped().set_name(to);
  volumes_.insert(std::move(volume));
  return absl::OkStatus();
}

absl::Status FakeEngine::DeleteVolume(const std::string& name) {
  absl::MutexLock guard(&mutex_);
  if (volumes_.erase(name) == 0) return NoVolume(name);
  ++changes_;
  return absl::OkStatus();
}

PoolView::KnownVolume FakeEngine::KnownOf(const VolumeStatus& volume) {
  return {.info = {.id = volume.id(), .name = volume.name(), .size_bytes = volume.size_bytes()},
          .thick = volume.thick(),
          .importing = volume.importing()};
}

std::vector<VolumeInfo> FakeEngine::ListVolumesAfter(uint64_t id, size_t limit) const {
  std::vector<VolumeInfo> volumes;
  {
    absl::MutexLock guard(&mutex_);
    for (const auto& [name, volume] : volumes_) {
      if (volume.id() > id) volumes.push_back(KnownOf(volume).info);
    }
  }
  std::sort(volumes.begin(), volumes.end(),
            [](const VolumeInfo& a, const VolumeInfo& b) { return a.id < b.id; });
  if (volumes.size() > limit) volumes.resize(limit);
  return volumes;
}

size_t FakeEngine::CountVolumes() const {
  absl::MutexLock guard(&mutex_);
  return volumes_.size();
}

std::optional<PoolView::KnownVolume> FakeEngine::LookUpVolume(const std::string& name) const {
  absl::MutexLock guard(&mutex_);
  const auto found = volumes_.find(name);
  return found == volumes_.end() ? std::nullopt : std::optional(KnownOf(found->second));
}

std::optional<PoolView::KnownVolume> FakeEngine::LookUpVolume(uint64_t id) const {
  absl::MutexLock guard(&mutex_);
  for (const auto& [name, volume] : volumes_) {
    if (volume.id() == id) return KnownOf(volume);
  }
  return std::nullopt;
}

void FakeEngine::ForEachRelation(absl::FunctionRef<void(const RelationRecord&)> visit) const {
  absl::MutexLock guard(&mutex_);
  for (const auto& [id, clone] : clones_) {
    RelationRecord record;
    record.set_id(id);
    record.set_source(clone.source());
    record.set_target(clone.target());
    record.set_state(StateOf(clone));
    visit(record);
  }
}

absl::StatusOr<std::unique_ptr<VolumeIo>> FakeEngine::OpenVolume(uint64_t) {
  return Error(absl::StatusCode::kUnimplemented, "the fake has no bytes");
}

absl::StatusOr<std::optional<DataRange>> FakeEngine::NextData(uint64_t, uint64_t) const {
  return std::nullopt;
}

absl::StatusOr<uint64_t> FakeEngine::CreateClone(const CloneOptions& options) {
  BATON_RETURN_IF_ERROR(CheckExtentSize(options.extent_bytes));
  BATON_ASSIGN_OR_RETURN(const VolumeStatus source, ShowVolume(options.source));
  BATON_RETURN_IF_ERROR(ShowVolume(options.target).status());
  absl::MutexLock guard(&mutex_);
  ++changes_;
  CloneStatus& clone = clones_[++last_id_];
  clone.set_id(last_id_);
  clone.set_source(options.source);
  clone.set_target(options.target);
  clone.set_state("created");
  clone.set_size_bytes(source.size_bytes());
  clone.set_extent_bytes(options.extent_bytes);
  clone.set_extents_total(source.size_bytes() / options.extent_bytes);
  clone.set_extents_pending(clone.extents_total());
  clone.set_rate_bytes_per_second(options.rate_bytes_per_second);
  clone.set_latency_target_us(options.latency_target_us);
  clone.set_on_error(options.on_error == FAIL_WRITE ? "fail-write" : "fail-clone");
  return last_id_;
}

absl::Status FakeEngine::Move(const std::vector<uint64_t>& ids, const std::string& to) {
  absl::MutexLock guard(&mutex_);
  for (const uint64_t id : ids) {
    if (!clones_.contains(id)) return NoClone(id);
  }
  for (const uint64_t id : ids) clones_[id].set_state(to);
  ++changes_;
  return absl::OkStatus();
}

absl::Status FakeEngine::ActivateClones(const std::vector<uint64_t>& ids) {
  return Move(ids, "activated");
}
absl::Status FakeEngine::StartClones(const std::vector<uint64_t>& ids) {
  return Move(ids, "copying");
}
absl::Status FakeEngine::PauseClone(uint64_t id) { return Move({id}, "paused"); }
absl::Status FakeEngine::ResumeClone(uint64_t id) { return Move({id}, "copying"); }
absl::Status FakeEngine::StopClone(uint64_t id) { return Move({id}, "stopped"); }

absl::Status FakeEngine::DeleteClone(uint64_t id) {
  absl::MutexLock guard(&mutex_);
  if (clones_.erase(id) == 0) return NoClone(id);
  ++changes_;
  return absl::OkStatus();
}

absl::Status FakeEngine::SetCloneRate(uint64_t id, uint64_t bytes_per_second) {
  absl::MutexLock guard(&mutex_);
  if (!clones_.contains(id)) return NoClone(id);
  ++changes_;
  clones_[id].set_rate_bytes_per_second(bytes_per_second);
  return absl::OkStatus();
}

absl::Status FakeEngine::SetCloneLatencyTarget(uint64_t id, uint64_t target_us) {
  absl::MutexLock guard(&mutex_);
  if (!clones_.contains(id)) return NoClone(id);
  ++changes_;
  clones_[id].set_latency_target_us(target_us);
  return absl::OkStatus();
}

std::vector<CloneStatus> FakeEngine::ListClones() const {
  absl::MutexLock guard(&mutex_);
  std::vector<CloneStatus> clones;
  for (const auto& [id, clone] : clones_) clones.push_back(clone);
  return clones;
}

absl::StatusOr<CloneStatus> FakeEngine::ShowClone(uint64_t id) const {
  absl::MutexLock guard(&mutex_);
  const auto found = clones_.find(id);
  if (found == clones_.end()) return NoClone(id);
  return found->second;
}

absl::StatusOr<Residual> FakeEngine::CloneResidual(uint64_t id, bool with_extents) const {
  BATON_RETURN_IF_ERROR(ShowClone(id).status());
  absl::MutexLock guard(&mutex_);
  Residual residual;
  residual.set_id(id);
  residual.set_extents_pending(pending_runs_);
  residual.set_extents_residual(pending_runs_);
  for (uint64_t i = 0; with_extents && i < pending_runs_; ++i) {
    ExtentRun& run = *residual.add_pending();
    run.set_first(2 * i);
    run.set_count(1);
  }
  return residual;
}

absl::StatusOr<VerifyReport> FakeEngine::VerifyClone(
    uint64_t id, const std::function<bool(uint64_t, uint64_t)>& progress) {
  constexpr uint64_t kTotal = 100;
  const auto held = [this] {
    absl::MutexLock guard(&mutex_);
    return hold_;
  };
  uint64_t done = 0;
  do {
    if (!progress(++done, kTotal)) {
      absl::MutexLock guard(&mutex_);
      ++given_up_;
      return Error(absl::StatusCode::kCancelled, "given up");
    }
    absl::SleepFor(absl::Milliseconds(1));
  } while (held());
  absl::MutexLock guard(&mutex_);
  VerifyReport report;
  report.set_id(id);
  report.set_extents_total(kTotal);
  report.set_extents_checked(kTotal);
  report.set_extents_differing(differing_);
  for (uint64_t i = 0; i < differing_; ++i) {
    ExtentRun& run = *report.add_differing();
    run.set_first(10 + 2 * i);
    run.set_count(1);
  }
  report.set_certificate("c0ffee");
  return report;
}

std::vector<EvictionRecord> FakeEngine::EvictedNodes() const {
  absl::MutexLock guard(&mutex_);
  std::vector<EvictionRecord> records;
  for (const auto& [node, record] : evictions_) records.push_back(record);
  return records;
}

absl::StatusOr<EvictionRecord> FakeEngine::EvictNode(const std::string& node) {
  absl::MutexLock guard(&mutex_);
  EvictionRecord& record = evictions_[node];
  if (record.id() == 0) record.set_id(++last_id_);
  record.set_node(node);
  return record;
}

absl::Status FakeEngine::ReadmitNode(const std::string& node, uint64_t eviction) {
  absl::MutexLock guard(&mutex_);
  const auto found = evictions_.find(node);
  if (found != evictions_.end() && found->second.id() == eviction) evictions_.erase(found);
  return absl::OkStatus();
}

absl::Status FakeEngine::RecordEvent(Event event) {
  absl::MutexLock guard(&mutex_);
  event.set_sequence(events_.size() + 1);
  event.set_unix_us(absl::ToUnixMicros(absl::Now()));
  events_.push_back(std::move(event));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Event>> FakeEngine::ListEvents(uint64_t after_sequence,
                                                          size_t limit) const {
  absl::MutexLock guard(&mutex_);
  std::vector<Event> events;
  for (const Event& event : events_) {
    if (event.sequence() > after_sequence && events.size() < limit) events.push_back(event);
  }
  return events;
}

absl::StatusOr<uint64_t> FakeEngine::LastEventAfter(uint64_t after_sequence) const {
  absl::MutexLock guard(&mutex_);
  return events_.empty() ? after_sequence : std::max(after_sequence, events_.back().sequence());
}

void FakeEngine::SetCloneState(uint64_t id, const std::string& state, const std::string& error) {
  absl::MutexLock guard(&mutex_);
  CloneStatus& clone = clones_[id];
  clone.set_state(state);
  clone.set_error(error);
  if (state != "completed") return;
  clone.set_extents_copied(clone.extents_total());
  clone.set_extents_pending(0);
  clone.set_certificate("c0ffee");
}

void FakeEngine::SetPendingRuns(uint64_t count) {
  absl::MutexLock guard(&mutex_);
  pending_runs_ = count;
}

void FakeEngine::SetDiffering(uint64_t extents) {
  absl::MutexLock guard(&mutex_);
  differing_ = extents;
}

void FakeEngine::HoldVerifications() {
  absl::MutexLock guard(&mutex_);
  hold_ = true;
}

void FakeEngine::ReleaseVerifications() {
  absl::MutexLock guard(&mutex_);
  hold_ = false;
}

int FakeEngine::verifications_given_up() const {
  absl::MutexLock guard(&mutex_);
  return given_up_;
}

int FakeEngine::changes() const {
  absl::MutexLock guard(&mutex_);
  return changes_;
}

}  // namespace baton
