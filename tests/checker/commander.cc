#include "tests/checker/commander.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

namespace baton::checker {
namespace {

constexpr auto kPatience = std::chrono::seconds(120);

void Sleep(std::chrono::microseconds time) { std::this_thread::sleep_for(time); }

}  // namespace

Commander::Commander(const Options& options, Backend& backend,
                     std::vector<std::unique_ptr<Volume>>& volumes, uint32_t first_target, Log& log)
    : options_(options),
      backend_(backend),
      volumes_(volumes),
      log_(log),
      random_(options.seed),
      clones_(volumes.size() - first_target) {
  for (size_t i = 0; i < clones_.size(); ++i) clones_[i].target = volumes[first_target + i].get();
}

// ---- what may be done ---------------------------------------------------------------------------

bool Commander::IsActive(const Clone& clone) {
  return clone.state == "activated" || clone.state == "copying" || clone.state == "paused";
}

bool Commander::HoldsTarget(const Clone& clone) {
  return IsActive(clone) || clone.state == "stopped";
}

bool Commander::IsAllowed(const Clone& clone) const {
  return std::none_of(clones_.begin(), clones_.end(), [&](const Clone& other) {
    if (&other == &clone) return false;
    return (HoldsTarget(other) && other.target == clone.source) ||
           (IsActive(other) && other.source == clone.target);
  });
}

bool Commander::Expect(const Clone& clone, const std::string& command, const absl::Status& status,
                       bool allowed) {
  Note(clone, command, status);
  if (status.ok() && !allowed) {
    for (Clone& other : clones_) {
      if (&other != &clone) Refresh(other);
    }
    if (!IsAllowed(clone)) log_.Violate(command + " was not refused");  // else a clone completed
  }
  if (!status.ok() && (allowed || !absl::IsFailedPrecondition(status))) {
    log_.Violate(command + " was refused: " + status.ToString());
  }
  return status.ok();
}

void Commander::Note(const Clone& clone, const std::string& command, const absl::Status& status) {
  ++commands_;
  log_.Note(fmt::format("{} of clone {} ({} -> {}): {}", command, clone.id,
                        clone.source == nullptr ? "" : clone.source->name, clone.target->name,
                        status.ok() ? "ok" : status.ToString()));
}

void Commander::Refresh() {
  for (Clone& clone : clones_) Refresh(clone);
}

void Commander::Refresh(Clone& clone) {
  if (clone.id == 0) return;
  const absl::StatusOr<CloneStatus> status = backend_.engine().ShowClone(clone.id);
  if (!status.ok()) return log_.Violate("a clone was lost: " + status.status().ToString());
  const bool was_copying = clone.state == "copying";
  if (status->state() != clone.state && !(was_copying && status->state() == "completed")) {
    log_.Violate(fmt::format("clone {} is {} and was {}: {}", clone.id, status->state(),
                             clone.state, status->error()));
  }
  if (status->extents_copied() < clone.copied) {
    log_.Violate(fmt::format("clone {} went back from {} to {} extents", clone.id, clone.copied,
                             status->extents_copied()));
  }
  if (status->copies_total() > status->extents_total()) {
    log_.Violate(fmt::format("clone {} copied {} extents of {}", clone.id, status->copies_total(),
                             status->extents_total()));
  }
  clone.copied = status->extents_copied();
  if (was_copying && status->state() == "completed") {
    ++completed_;
    log_.Note(fmt::format("clone {} is completed", clone.id));
  }
  clone.state = status->state();
}

// ---- commands -----------------------------------------------------------------------------------

void Commander::Step() {
  Sleep(std::chrono::microseconds(Below(4000)));
  Refresh();
  if (log_.failed()) return;
  if (backend_.hosts_survive() && OneIn(400)) return Restart();
  Act(clones_[Below(clones_.size())]);
}

void Commander::Restart() {
  absl::Status status = backend_.Seal();
  if (status.ok()) status = backend_.Reopen();
  if (!status.ok()) return log_.Violate("restart: " + status.ToString());
  CheckReopened();
}

void Commander::Act(Clone& clone) {
  if (clone.id == 0) return Create(clone);
  if (clone.state == "created") return OneIn(8) ? Delete(clone) : Activate(clone);
  if (clone.state == "activated") return OneIn(8) ? Stop(clone) : StartSome(clone);
  if (clone.state == "stopped") return OneIn(2) ? Delete(clone) : Activate(clone);
  if (clone.state == "completed") return clone.verified ? Delete(clone) : Verify(clone);
  const uint64_t draw = Below(12);
  if (draw == 0) return Stop(clone);
  if (draw <= 2) return SetRate(clone, DrawRate());
  if (clone.state == "paused") return Resume(clone);
  if (draw <= 5) return Pause(clone);
}

void Commander::Create(Clone& clone) {
  clone.source = volumes_[Below(volumes_.size())].get();
  if (clone.source == clone.target) return;
  CloneOptions options;
  options.source = clone.source->name;
  options.target = clone.target->name;
  options.extent_bytes = limits::kMinExtentBytes << Below(7);
  options.rate_bytes_per_second = DrawRate();
  options.on_error = OneIn(4) ? FAIL_WRITE : FAIL_CLONE;
  const absl::StatusOr<uint64_t> id = backend_.engine().CreateClone(options);
  if (!Expect(clone, "create", id.status(), IsAllowed(clone))) return;
  clone.id = *id;
  clone.state = "created";
  clone.copied = 0;
  clone.verified = false;
}

void Commander::Activate(Clone& clone) {
  const bool allowed = IsAllowed(clone);
  const Phase phase = clone.target->phase();
  // What stands in the way may end at any moment: then only who has the target open keeps it from
  // being activated.
  const bool closes = allowed || !clone.target->IsOpen();
  if (closes) clone.target->Close();
  absl::Status status;
  // The kernel tells of a closed file in its own time.
  for (int tries = 0; tries < 5000; ++tries) {
    status = backend_.engine().ActivateClones({clone.id});
    if (status.ok() || status.message().find("is open") == absl::string_view::npos) break;
    if (!allowed) break;
    Sleep(std::chrono::microseconds(1000));
  }
  const bool is_activated = Expect(clone, "activate", status, allowed);
  if (closes) clone.target->Enter(is_activated ? Phase::kOffline : phase);
  if (!is_activated) return;
  clone.state = "activated";
  clone.copied = 0;
  clone.verified = false;
}

void Commander::StartSome(Clone& clone) {
  std::vector<Clone*> group = {&clone};
  for (Clone& other : clones_) {
    if (&other != &clone && other.state == "activated" && OneIn(2)) group.push_back(&other);
  }
  Start(group);
}

void Commander::Start(const std::vector<Clone*>& clones) {
  std::vector<uint64_t> ids;
  std::set<Volume*> sources;
  for (Clone* clone : clones) {
    ids.push_back(clone->id);
    sources.insert(clone->source);
    clone->target->EnterAlone(Phase::kStarting);
    clone->target->was_changed = false;
  }
  for (Volume* source : sources) source->model.BeginT0();
  const absl::Status status = backend_.engine().StartClones(ids);
  const auto group = std::make_shared<Group>();
  for (Volume* source : sources) {
    const model::VolumeModel::T0 t0 = source->model.EndT0();
    for (Clone* clone : clones) {
      if (clone->source == source) clone->t0 = t0;
    }
  }
  for (Clone* clone : clones) {
    if (Expect(*clone, "start", status, true)) clone->target->model.Adopt(clone->t0);
    clone->target->Enter(Phase::kOpen);
    clone->state = "copying";
    clone->group = group;
  }
}

void Commander::Stop(Clone& clone) {
  const bool is_online = clone.state != "activated";
  if (is_online) clone.target->Enter(Phase::kEnding);
  const absl::Status status = backend_.engine().StopClone(clone.id);
  const bool may_be_completed = clone.state == "copying" && absl::IsFailedPrecondition(status);
  if (may_be_completed) {
    Note(clone, "stop", status);
    return clone.target->Enter(Phase::kOpen);
  }
  if (!Expect(clone, "stop", status, true)) return;
  clone.target->Enter(Phase::kOffline);
  clone.state = "stopped";
  clone.copied = 0;
  if (OneIn(3)) Delete(clone);  // at once, while host I/O of before is still under way
}

void Commander::Delete(Clone& clone) {
  if (clone.state != "stopped") {
    if (!Expect(clone, "delete", backend_.engine().DeleteClone(clone.id), true)) return;
  } else {
    clone.target->Enter(Phase::kEnding);
    const auto emptied = clone.target->model.BeginDiscard(0, options_.size_bytes);
    const absl::Status status = backend_.engine().DeleteClone(clone.id);
    if (!Expect(clone, "delete", status, true)) return;
    clone.target->model.Acknowledge(emptied);
    clone.target->Enter(Phase::kOpen);
  }
  clone.id = 0;
  clone.state.clear();
}

void Commander::Pause(Clone& clone) {
  const absl::Status status = backend_.engine().PauseClone(clone.id);
  Note(clone, "pause", status);
  if (status.ok()) clone.state = "paused";
  Refresh(clone);
}

void Commander::Resume(Clone& clone) {
  if (!Expect(clone, "resume", backend_.engine().ResumeClone(clone.id), true)) return;
  clone.state = "copying";
}

void Commander::SetRate(Clone& clone, uint64_t bytes_per_second) {
  Expect(clone, fmt::format("rate {}", bytes_per_second),
         backend_.engine().SetCloneRate(clone.id, bytes_per_second), true);
}

uint64_t Commander::DrawRate() { return OneIn(3) ? 0 : limits::kMiB << Below(5); }

// ---- checks -------------------------------------------------------------------------------------

void Commander::Verify(Clone& clone) {
  clone.verified = true;
  const absl::StatusOr<VerifyReport> report = backend_.engine().VerifyClone(clone.id, nullptr);
  if (!Expect(clone, "verify", report.status(), true)) return;
  const CloneStatus status = *backend_.engine().ShowClone(clone.id);
  if (status.extents_copied() != status.extents_total() ||
      report->certificate() != status.certificate()) {
    log_.Violate("verify: " + status.ShortDebugString() + report->ShortDebugString());
  }
  if (clone.target->was_changed) return;
  if (report->extents_differing() != 0 || report->certificate_now() != report->certificate()) {
    log_.Violate("verify: " + report->ShortDebugString());
  }
  CheckInstant(clone);
}

void Commander::CheckInstant(Clone& clone) {
  const absl::StatusOr<std::unique_ptr<VolumeIo>> io = backend_.Open(clone.target->name, false);
  std::vector<std::byte> content(options_.size_bytes);
  const absl::Status status = io.ok() ? (*io)->Read(0, content) : io.status();
  if (!status.ok()) return log_.Violate(clone.target->name + ": " + status.ToString());
  if (clone.target->was_changed) return;
  clone.group->instant.Add(clone.target->name, clone.t0, content);
  const std::string wrong = clone.group->instant.Check();
  if (!wrong.empty()) log_.Violate(fmt::format("T0 of clone {}: {}", clone.id, wrong));
}

void Commander::CheckReopened() {
  log_.Note("the engine was opened again");
  Refresh();
}

void Commander::Finish() {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  for (Clone& clone : clones_) {
    if (log_.failed() || clone.id == 0) continue;
    SetRate(clone, 0);
    if (clone.state == "created" || clone.state == "stopped") Delete(clone);
    if (clone.state == "activated") Start({&clone});
    if (clone.state == "paused") Resume(clone);
    while (clone.state == "copying" && !log_.failed()) {
      if (std::chrono::steady_clock::now() > deadline) log_.Violate("a clone does not end");
      Sleep(std::chrono::microseconds(1000));
      Refresh(clone);
    }
    if (clone.state == "completed" && !clone.verified && !log_.failed()) Verify(clone);
  }
}

}  // namespace baton::checker
