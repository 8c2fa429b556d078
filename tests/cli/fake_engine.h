// An engine that only keeps records: what the control socket needs, without bytes or threads.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/synchronization/notification.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace baton {

class FakeEngine final : public Engine {
 public:
  absl::StatusOr<std::vector<Residual>> Seal() override { return std::vector<Residual>(); }
  void StartCopiers() override {}

  absl::StatusOr<VolumeInfo> CreateVolume(const VolumeOptions& options) override;
  // Of 1 MiB, if SetFile() has put a file there.
  absl::StatusOr<VolumeInfo> AdoptVolume(const std::string& name) override;
  absl::Status FinishImport(const std::string& name) override;
  absl::Status ResizeVolume(const std::string& name, uint64_t size_bytes) override;
  absl::Status RenameVolume(const std::string& name, const std::string& to) override;
  absl::Status DeleteVolume(const std::string& name) override;
  std::vector<VolumeInfo> ListVolumesAfter(uint64_t id, size_t limit) const override;
  size_t CountVolumes() const override;
  absl::StatusOr<uint64_t> AllocatedBytes(uint64_t) const override { return 0; }
  void TakeLocks() const override {}
  WriteLogStatus ShowWriteLog() const override { return {}; }
  uint64_t WriteLogUsedBytes() const override { return 0; }
  FirstWrites CountFirstWrites() const override { return {}; }
  absl::StatusOr<std::unique_ptr<VolumeIo>> OpenVolume(uint64_t id) override;
  absl::StatusOr<std::optional<FileLock>> SetLocks(const LockTeller&, uint64_t,
                                                   const FileLocks&) override {
    return std::nullopt;
  }
  absl::StatusOr<std::vector<VolumeLocks>> SetAllLocks(const LockTeller&,
                                                       const std::vector<VolumeLocks>&) override {
    return std::vector<VolumeLocks>();
  }
  absl::Status DropLocks(const std::string&) override { return absl::OkStatus(); }
  absl::Status DropLocksOfOthers(const std::vector<std::string>&) override {
    return absl::OkStatus();
  }
  std::optional<FileLock> FindLock(const std::string&, uint64_t, const FileLock&) const override {
    return std::nullopt;
  }
  absl::StatusOr<std::optional<DataRange>> NextData(uint64_t id, uint64_t offset) const override;

  absl::StatusOr<uint64_t> CreateClone(const CloneOptions& options) override;
  absl::Status ActivateClones(const std::vector<uint64_t>& ids) override;
  absl::Status StartClones(const std::vector<uint64_t>& ids) override;
  absl::Status PauseClone(uint64_t id) override;
  absl::Status ResumeClone(uint64_t id) override;
  absl::Status StopClone(uint64_t id) override;
  absl::Status DeleteClone(uint64_t id) override;
  absl::Status SetCloneRate(uint64_t id, uint64_t bytes_per_second) override;
  absl::Status SetCloneLatencyTarget(uint64_t id, uint64_t target_us) override;
  std::vector<CloneStatus> ListClones() const override;
  absl::StatusOr<CloneStatus> ShowClone(uint64_t id) const override;
  absl::StatusOr<Residual> CloneResidual(uint64_t id, bool with_extents) const override;
  absl::StatusOr<VerifyReport> VerifyClone(
      uint64_t id, const std::function<bool(uint64_t, uint64_t)>& progress) override;

  std::vector<EvictionRecord> EvictedNodes() const override;
  absl::StatusOr<EvictionRecord> EvictNode(const std::string& node) override;
  absl::Status ReadmitNode(const std::string& node, uint64_t eviction) override;

  absl::Status RecordEvent(Event event) override;
  absl::StatusOr<std::vector<Event>> ListEvents(uint64_t after_sequence,
                                                size_t limit) const override;
  absl::StatusOr<uint64_t> LastEventAfter(uint64_t after_sequence) const override;

  // ---- what a test arranges ----
  void SetCloneState(uint64_t id, const std::string& state, const std::string& error = "");
  void SetPendingRuns(uint64_t count);  // of every residual
  void SetFile(const std::string& name);
  void SetDiffering(uint64_t extents);  // of every verification
  // Verifications run until they are given up or this is notified.
  void HoldVerifications();
  void ReleaseVerifications();
  int verifications_given_up() const;
  // Commands that change something so far.
  int changes() const;

 protected:
  std::optional<KnownVolume> LookUpVolume(const std::string& name) const override;
  std::optional<KnownVolume> LookUpVolume(uint64_t id) const override;
  void ForEachRelation(absl::FunctionRef<void(const RelationRecord&)> visit) const override;

 private:
  static KnownVolume KnownOf(const VolumeStatus& volume);
  absl::Status Move(const std::vector<uint64_t>& ids, const std::string& to);

  mutable absl::Mutex mutex_;
  std::map<std::string, VolumeStatus> volumes_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, CloneStatus> clones_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> files_ ABSL_GUARDED_BY(mutex_);  // that are no volumes
  std::map<std::string, EvictionRecord> evictions_ ABSL_GUARDED_BY(mutex_);
  std::vector<Event> events_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t pending_runs_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t differing_ ABSL_GUARDED_BY(mutex_) = 0;
  bool hold_ ABSL_GUARDED_BY(mutex_) = false;
  int given_up_ ABSL_GUARDED_BY(mutex_) = 0;
  int changes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace baton
