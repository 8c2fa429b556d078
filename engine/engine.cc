// The facade: volumes here, clones in engine/clone, and the order in which both come and go.
#include "engine/engine.h"

#include <algorithm>
#include <atomic>
#include <set>
#include <utility>

#include "engine/base/buffer_pool.h"
#include "engine/base/fault.h"
#include "engine/base/forwarding_io.h"
#include "engine/base/mutant.h"
#include "engine/base/names.h"
#include "engine/base/side_by_side.h"
#include "engine/base/sleep_lock.h"
#include "engine/base/status.h"
#include "engine/clone/clone_status.h"
#include "engine/meta/catalog.h"
#include "engine/meta/evictions.h"
#include "engine/meta/file_copy.h"
#include "engine/meta/pool_file.h"
#include "engine/volume/volume_table.h"
#include "engine/volume_files.h"
#include "engine/write_log/old_logs.h"

namespace baton {
namespace {

using absl::StatusCode;

// A host's handle on a volume; counts as open while it lives.
class OpenHandle final : public ForwardingIo {
 public:
  // REQUIRES: Openings::Add() has counted it.
  OpenHandle(const Runtime& runtime, std::shared_ptr<Volume> volume)
      : ForwardingIo(volume->path), runtime_(runtime), volume_(std::move(volume)) {}
  ~OpenHandle() override { volume_->openings.Drop(); }

  absl::Status Write(uint64_t offset, Bytes data) override {
    return Changed(ForwardingIo::Write(offset, data));
  }
  absl::Status Discard(uint64_t offset, uint64_t length_bytes) override {
    return Changed(ForwardingIo::Discard(offset, length_bytes));
  }

 private:
  // What has failed may have been done in part.
  absl::Status Changed(absl::Status status) const {
    volume_->changed.Note(runtime_.WallTime());
    return status;
  }

  const Runtime& runtime_;
  const std::shared_ptr<Volume> volume_;
};

absl::Status IsOpen(const Volume& volume) {
  return Error(StatusCode::kFailedPrecondition, "volume {} is open ({} handles): close it first",
               volume.name, volume.openings.count());
}

absl::Status CheckNotImporting(const Volume& volume) {
  if (!volume.importing) return absl::OkStatus();
  return Error(StatusCode::kFailedPrecondition, "volume {} is being imported", volume.name);
}

// Without its number.
VolumeRecord NewRecord(const VolumeOptions& options) {
  VolumeRecord record;
  record.set_name(options.name);
  record.set_size_bytes(options.size_bytes);
  record.set_thick(options.thick);
  record.set_importing(options.importing);
  return record;
}

class EngineImpl final : public Engine {
 public:
  explicit EngineImpl(Options options)
      : storage_(options.storage),
        runtime_(options.runtime),
        fence_(options.fence),
        meta_(std::move(options.meta)),
        epoch_(options.epoch),
        durability_(options.durability),
        fault_(std::move(options.on_fault)),
        catalog_(*meta_, runtime_, options.epoch, options.node),
        evictions_(catalog_, runtime_),
        bounce_(runtime_, options.request_buffers, options.request_bytes + 2 * limits::kBlockBytes),
        copy_bytes_(options.copy_bytes),
        copy_buffers_(options.copy_buffers),
        hold_copiers_(options.hold_copiers),
        log_shape_(options.log_shape),
        write_log_shape_(options.write_log_shape),
        locks_(catalog_, runtime_, fault_, std::move(options.on_lock_freed)),
        commands_(runtime_) {}
  ~EngineImpl() override { (void)Seal(); }

  absl::Status Recover();
  absl::StatusOr<std::vector<Residual>> Seal() override;
  void StartCopiers() override { clones_->StartCopiers(); }
  void TakeLocks() const override {
    (void)volumes_.Find(uint64_t{0});
    clones_->TakeLocks();
  }

  WriteLogStatus ShowWriteLog() const override { return clones_->ShowWriteLog(); }
  uint64_t WriteLogUsedBytes() const override { return clones_->write_log_used_bytes(); }
  FirstWrites CountFirstWrites() const override { return clones_->CountFirstWrites(); }

  absl::StatusOr<VolumeInfo> CreateVolume(const VolumeOptions& options) override;
  absl::StatusOr<VolumeInfo> AdoptVolume(const std::string& name) override;
  absl::Status FinishImport(const std::string& name) override;
  absl::Status ResizeVolume(const std::string& name, uint64_t size_bytes) override;
  absl::Status RenameVolume(const std::string& name, const std::string& to) override;
  absl::Status DeleteVolume(const std::string& name) override;
  std::vector<VolumeInfo> ListVolumesAfter(uint64_t id, size_t limit) const override;
  size_t CountVolumes() const override { return volumes_.size(); }
  absl::StatusOr<uint64_t> AllocatedBytes(uint64_t id) const override;
  absl::StatusOr<std::unique_ptr<VolumeIo>> OpenVolume(uint64_t id) override;
  absl::StatusOr<std::optional<DataRange>> NextData(uint64_t id, uint64_t offset) const override;

  absl::StatusOr<std::optional<FileLock>> SetLocks(const LockTeller& teller, uint64_t volume_id,
                                                   const FileLocks& locks) override {
    BATON_RETURN_IF_ERROR(CheckServing());
    BATON_RETURN_IF_ERROR(Find(volume_id).status());
    return locks_.Set(teller, volume_id, locks);
  }
  absl::StatusOr<std::vector<VolumeLocks>> SetAllLocks(
      const LockTeller& teller, const std::vector<VolumeLocks>& all) override {
    BATON_RETURN_IF_ERROR(CheckServing());
    return locks_.SetAll(teller, all);
  }
  absl::Status DropLocks(const std::string& node) override {
    BATON_RETURN_IF_ERROR(CheckServing());
    return locks_.Drop(node);
  }
  absl::Status DropLocksOfOthers(const std::vector<std::string>& nodes) override {
    BATON_RETURN_IF_ERROR(CheckServing());
    return locks_.DropOthers(nodes);
  }
  std::optional<FileLock> FindLock(const std::string& node, uint64_t volume_id,
                                   const FileLock& wanted) const override {
    return locks_.Find(node, volume_id, wanted);
  }

  absl::StatusOr<uint64_t> CreateClone(const CloneOptions& options) override {
    SleepLock::Guard guard(commands_);  // no volume goes away meanwhile
    return clones_->Create(options);
  }
  absl::Status ActivateClones(const std::vector<uint64_t>& ids) override {
    SleepLock::Guard guard(commands_);
    return clones_->Activate(ids);
  }
  absl::Status StartClones(const std::vector<uint64_t>& ids) override {
    return clones_->Start(ids);
  }
  absl::Status PauseClone(uint64_t id) override { return clones_->Pause(id); }
  absl::Status ResumeClone(uint64_t id) override { return clones_->Resume(id); }
  absl::Status StopClone(uint64_t id) override { return clones_->Stop(id); }
  absl::Status DeleteClone(uint64_t id) override { return clones_->Delete(id); }
  absl::Status SetCloneRate(uint64_t id, uint64_t bytes_per_second) override {
    return clones_->SetRate(id, bytes_per_second);
  }
  absl::Status SetCloneLatencyTarget(uint64_t id, uint64_t target_us) override {
    return clones_->SetLatencyTarget(id, target_us);
  }
  std::vector<CloneStatus> ListClones() const override { return clones_->List(); }
  absl::StatusOr<CloneStatus> ShowClone(uint64_t id) const override { return clones_->Show(id); }
  absl::StatusOr<Residual> CloneResidual(uint64_t id, bool with_extents) const override {
    return clones_->ShowResidual(id, with_extents);
  }
  absl::StatusOr<VerifyReport> VerifyClone(
      uint64_t id, const std::function<bool(uint64_t, uint64_t)>& progress) override {
    return clones_->Verify(id, progress);
  }

  std::vector<EvictionRecord> EvictedNodes() const override { return evictions_.List(); }
  absl::StatusOr<EvictionRecord> EvictNode(const std::string& node) override;
  absl::Status ReadmitNode(const std::string& node, uint64_t eviction) override;

  absl::Status RecordEvent(Event event) override;
  absl::StatusOr<std::vector<Event>> ListEvents(uint64_t after_sequence,
                                                size_t limit) const override {
    return catalog_.ListEvents(after_sequence, limit);
  }
  absl::StatusOr<uint64_t> LastEventAfter(uint64_t after_sequence) const override {
    return catalog_.LastEventAfter(after_sequence);
  }

 protected:
  std::optional<KnownVolume> LookUpVolume(const std::string& name) const override {
    return KnownOf(volumes_.Find(name));
  }
  std::optional<KnownVolume> LookUpVolume(uint64_t id) const override {
    return KnownOf(volumes_.Find(id));
  }
  void ForEachRelation(absl::FunctionRef<void(const RelationRecord&)> visit) const override {
    clones_->ForEachRecord(visit);
  }
  void AddUse(uint64_t volume_id, VolumeStatus& status) const override;

 private:
  using PoolView::KnownOf;
  static KnownVolume KnownOf(const Volume& volume);
  static std::optional<KnownVolume> KnownOf(const std::shared_ptr<Volume>& volume);
  void Finish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(commands_);
  absl::Status FlushVolumes();
  absl::Status RecordTimes() ABSL_EXCLUSIVE_LOCKS_REQUIRED(commands_);
  absl::Status LoadTimesRule();
  absl::Status CheckServing() const;
  absl::Status LoadVolumes();
  absl::StatusOr<std::shared_ptr<Volume>> OpenFile(const VolumeRecord& record,
                                                   const std::string& path);
  absl::StatusOr<std::shared_ptr<Volume>> Find(const std::string& name) const;
  absl::StatusOr<std::shared_ptr<Volume>> Find(uint64_t id) const;
  absl::Status CheckFreeName(const std::string& name) const;
  absl::Status CheckNewVolume(const std::string& name) const;
  absl::Status RemoveDeletedFile(const std::string& name);
  absl::Status RemoveDeletedFiles();
  absl::Status CheckRoom(const VolumeRecord& record, uint64_t more_bytes) const;
  absl::Status CheckUnused(const Volume& volume) const;
  absl::Status CheckMayGrow(const Volume& volume, const VolumeRecord& next);
  absl::Status ChangeVolume(const Volume& volume, const VolumeRecord& next, const char* kind,
                            const std::string& text);
  absl::Status UndoChanges();
  absl::StatusOr<VolumeInfo> AddVolume(const VolumeOptions& options, const char* kind,
                                       const std::string& text);
  absl::Status CommitVolume(MetaBatch batch, const VolumeRecord& record, const char* kind,
                            const std::string& text);

  Storage& storage_;
  Runtime& runtime_;
  const Fence& fence_;
  const std::unique_ptr<MetaStore> meta_;
  const uint64_t epoch_;
  const Durability durability_;
  Fault fault_;
  Catalog catalog_;
  Evictions evictions_;
  BufferPool bounce_;
  const uint64_t copy_bytes_;
  const size_t copy_buffers_;
  const bool hold_copiers_;
  const LogShape log_shape_;
  const WriteLogShape write_log_shape_;
  VolumeTable volumes_;
  std::unique_ptr<Clones> clones_;
  HostLocks locks_;

  SleepLock commands_;  // before Clones' locks: commands that make, use or delete volumes
  mutable absl::Mutex mutex_;
  bool sealed_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Residual> feedback_ ABSL_GUARDED_BY(commands_);  // of Seal
  bool finished_ ABSL_GUARDED_BY(commands_) = false;
  bool times_recorded_ ABSL_GUARDED_BY(commands_) = false;

  // Nothing changed before it and is not recorded: see LoadTimesRule.
  int64_t changed_since_unix_us_ = 0;
};

PoolView::KnownVolume EngineImpl::KnownOf(const Volume& volume) {
  KnownVolume known = KnownOf(volume.record, volume.changed.unix_us());
  known.info.size_bytes = volume.file->size_bytes();
  known.importing = volume.importing;
  return known;
}

std::optional<PoolView::KnownVolume> EngineImpl::KnownOf(const std::shared_ptr<Volume>& volume) {
  if (volume == nullptr) return std::nullopt;
  return KnownOf(*volume);
}

absl::Status EngineImpl::Recover() {
  BATON_RETURN_IF_ERROR(catalog_.Load());
  BATON_RETURN_IF_ERROR(evictions_.Load());
  BATON_RETURN_IF_ERROR(LoadTimesRule());
  BATON_RETURN_IF_ERROR(UndoChanges());
  BATON_RETURN_IF_ERROR(LoadVolumes());
  BATON_RETURN_IF_ERROR(locks_.Load());
  BATON_ASSIGN_OR_RETURN(
      clones_, Clones::Open({storage_, runtime_, fence_, fault_, catalog_, volumes_, epoch_,
                             copy_bytes_, copy_buffers_, hold_copiers_, log_shape_,
                             write_log_shape_, durability_ == DURABILITY_SYNC}));
  return absl::OkStatus();
}

// Of an epoch that ended without a seal nobody knows what was written: everything may have changed.
absl::Status EngineImpl::LoadTimesRule() {
  BATON_ASSIGN_OR_RETURN(const uint64_t known, catalog_.LoadTimesEpoch());
  if (known + 1 != epoch_) changed_since_unix_us_ = absl::ToUnixMicros(runtime_.WallTime());
  return absl::OkStatus();
}

absl::Status EngineImpl::LoadVolumes() {
  BATON_ASSIGN_OR_RETURN(const std::vector<VolumeRecord> records, catalog_.LoadVolumes());
  for (const VolumeRecord& record : records) {
    BATON_ASSIGN_OR_RETURN(std::shared_ptr<Volume> volume,
                           OpenFile(record, VolumeFilePath(record.name())));
    volumes_.Insert(std::move(volume));
  }
  return RemoveDeletedFiles();
}

absl::StatusOr<std::shared_ptr<Volume>> EngineImpl::OpenFile(const VolumeRecord& record,
                                                             const std::string& path) {
  absl::StatusOr<std::unique_ptr<File>> file =
      storage_.Open(path, {.direct = durability_ != DURABILITY_NONE, .leave_reserve = true});
  if (absl::IsNotFound(file.status())) {
    return Error(StatusCode::kDataLoss, "{} is missing, but volume {} is recorded: bring it back",
                 path, record.name());
  }
  if (!file.ok()) return file.status();
  BATON_ASSIGN_OR_RETURN(const uint64_t size_bytes, (*file)->SizeBytes());
  if (size_bytes != record.size_bytes()) {
    return Error(StatusCode::kDataLoss, "{} has {} bytes where volume {} has {}: it was changed",
                 path, size_bytes, record.name(), record.size_bytes());
  }
  auto volume_file = std::make_unique<VolumeFile>(
      VolumeFile::Options{.runtime = runtime_,
                          .fence = fence_,
                          .bounce = bounce_,
                          .file = *std::move(file),
                          .size_bytes = record.size_bytes(),
                          .durability = durability_,
                          .keeps_space = record.thick(),
                          .on_fault = [this, path](const absl::Status& why) {
                            (void)fault_.Report(Annotate(why, path));
                          }});
  const int64_t changed_unix_us = std::max(record.created_unix_us(), record.changed_unix_us());
  return std::make_shared<Volume>(runtime_, record, std::move(volume_file),
                                  std::max(changed_unix_us, changed_since_unix_us_));
}

absl::StatusOr<std::vector<Residual>> EngineImpl::Seal() {
  {
    absl::MutexLock guard(&mutex_);
    sealed_ = true;
  }
  SleepLock::Guard guard(commands_);
  if (clones_ == nullptr) return feedback_;
  if (!finished_) Finish();
  BATON_RETURN_IF_ERROR(fault_.Check());
  BATON_RETURN_IF_ERROR(FlushVolumes());
  BATON_RETURN_IF_ERROR(RecordTimes());
  return feedback_;
}

// Several at a time: storage syncs them side by side, and hosts wait for the end of it.
absl::Status EngineImpl::FlushVolumes() {
  const std::vector<std::shared_ptr<Volume>> volumes = volumes_.All();
  std::atomic<size_t> next = 0;
  std::vector<absl::Status> results(std::min(volumes.size(), limits::kSealThreads));
  SideBySide(runtime_, "seal", results.size(), [&](size_t number) {
    absl::Status& result = results[number];
    for (size_t i = next++; i < volumes.size() && result.ok(); i = next++) {
      result = volumes[i]->file->Flush();
    }
  });
  absl::Status status;
  for (const absl::Status& result : results) status.Update(result);
  return status;
}

// For the next epoch; nothing changes any more in this one.
absl::Status EngineImpl::RecordTimes() {
  if (times_recorded_) return absl::OkStatus();
  MetaBatch batch;
  for (const std::shared_ptr<Volume>& volume : volumes_.All()) {
    if (volume->record.changed_unix_us() == volume->changed.unix_us()) continue;
    catalog_.PutVolume(batch, volume->RecordNow());
  }
  catalog_.SetTimesKnown(batch);
  const absl::Status status = catalog_.Commit(std::move(batch), Durable::kYes);
  if (!status.ok()) return fault_.Report(status);
  times_recorded_ = true;
  return absl::OkStatus();
}

// Once: the destructor of a sealed engine must not record its end again.
void EngineImpl::Finish() {
  finished_ = true;
  if (!fault_.Check().ok()) clones_->GiveUp(fault_.Check());
  clones_->StopCopying();
  const absl::Status sealed = absl::AbortedError("the engine is sealed");
  for (const std::shared_ptr<Volume>& volume : volumes_.All()) {
    volume->path.Shutdown(fault_.Check().ok() ? sealed : fault_.Check());
  }
  feedback_ = clones_->Finish();
}

absl::Status EngineImpl::CheckServing() const {
  BATON_RETURN_IF_ERROR(fault_.Check());
  absl::ReaderMutexLock guard(&mutex_);
  return sealed_ ? absl::AbortedError("the engine is sealed") : absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<Volume>> EngineImpl::Find(const std::string& name) const {
  BATON_RETURN_IF_ERROR(CheckName(name));
  if (std::shared_ptr<Volume> volume = volumes_.Find(name)) return volume;
  return NoSuchVolume(name);
}

absl::StatusOr<std::shared_ptr<Volume>> EngineImpl::Find(uint64_t id) const {
  if (std::shared_ptr<Volume> volume = volumes_.Find(id)) return volume;
  return NoSuchVolume(id);
}

absl::Status EngineImpl::CheckFreeName(const std::string& name) const {
  BATON_RETURN_IF_ERROR(CheckNewVolumeName(name));
  if (volumes_.Find(name) == nullptr) return absl::OkStatus();
  return Error(StatusCode::kAlreadyExists, "volume {} exists already", name);
}

absl::Status EngineImpl::CheckNewVolume(const std::string& name) const {
  BATON_RETURN_IF_ERROR(CheckFreeName(name));
  if (volumes_.All().size() < limits::kMaxVolumes) return absl::OkStatus();
  return Error(StatusCode::kResourceExhausted, "the pool has {} volumes, which is the limit",
               limits::kMaxVolumes);
}

// `more_bytes`: how much of it is new.
absl::Status EngineImpl::CheckRoom(const VolumeRecord& record, uint64_t more_bytes) const {
  BATON_RETURN_IF_ERROR(CheckVolumeSize(record.size_bytes()));
  BATON_ASSIGN_OR_RETURN(const uint64_t total_bytes, storage_.TotalBytes());
  if (record.size_bytes() > total_bytes) {
    return Error(StatusCode::kResourceExhausted,
                 "volume {} of {} is larger than what the pool's file system holds ({})",
                 record.name(), FormatSize(record.size_bytes()), FormatSize(total_bytes));
  }
  if (!record.thick()) return absl::OkStatus();
  BATON_ASSIGN_OR_RETURN(const uint64_t room, BytesForThick(storage_));
  if (more_bytes <= room) return absl::OkStatus();
  return Error(StatusCode::kResourceExhausted,
               "volume {} is thick and takes {}, more than what the pool's file system has free "
               "for it ({})",
               record.name(), FormatSize(more_bytes), FormatSize(room));
}

absl::Status EngineImpl::CommitVolume(MetaBatch batch, const VolumeRecord& record, const char* kind,
                                      const std::string& text) {
  Event event;
  event.set_kind(kind);
  event.set_text(fmt::format("volume {} {}", record.name(), text));
  catalog_.AddEvent(batch, std::move(event));
  const absl::Status status = catalog_.Commit(std::move(batch), Durable::kYes);
  return status.ok() ? status : fault_.Report(status);
}

absl::StatusOr<VolumeInfo> EngineImpl::CreateVolume(const VolumeOptions& options) {
  SleepLock::Guard guard(commands_);
  BATON_RETURN_IF_ERROR(CheckServing());
  BATON_RETURN_IF_ERROR(CheckNewVolume(options.name));
  BATON_RETURN_IF_ERROR(CheckRoom(NewRecord(options), options.size_bytes));
  BATON_RETURN_IF_ERROR(RemoveDeletedFiles());
  BATON_RETURN_IF_ERROR(
      MakeVolumeFile(storage_, fence_, options.name, options.size_bytes, options.thick));
  return AddVolume(options, "volume-created",
                   fmt::format("was created with {}", FormatSize(options.size_bytes)));
}

absl::StatusOr<VolumeInfo> EngineImpl::AdoptVolume(const std::string& name) {
  SleepLock::Guard guard(commands_);
  BATON_RETURN_IF_ERROR(CheckServing());
  BATON_RETURN_IF_ERROR(CheckNewVolume(name));
  BATON_RETURN_IF_ERROR(RemoveDeletedFiles());
  BATON_ASSIGN_OR_RETURN(const uint64_t size_bytes, MeasureAdoptedFile(storage_, name));
  BATON_RETURN_IF_ERROR(storage_.SyncDirectory(kVolumesPath));
  return AddVolume({.name = name, .size_bytes = size_bytes}, "volume-adopted",
                   fmt::format("was adopted with {}", FormatSize(size_bytes)));
}

// Its file is there.
absl::StatusOr<VolumeInfo> EngineImpl::AddVolume(const VolumeOptions& options, const char* kind,
                                                 const std::string& text) {
  MetaBatch batch;
  VolumeRecord record = NewRecord(options);
  record.set_id(catalog_.AllocateId(batch));
  record.set_created_unix_us(absl::ToUnixMicros(runtime_.WallTime()));
  BATON_ASSIGN_OR_RETURN(const std::shared_ptr<Volume> volume,
                         OpenFile(record, VolumeFilePath(record.name())));
  catalog_.PutVolume(batch, record);
  BATON_RETURN_IF_ERROR(CommitVolume(std::move(batch), record, kind, text));
  volumes_.Insert(volume);
  return KnownOf(*volume).info;
}

absl::Status EngineImpl::FinishImport(const std::string& name) {
  SleepLock::Guard guard(commands_);
  BATON_RETURN_IF_ERROR(CheckServing());
  BATON_ASSIGN_OR_RETURN(const std::shared_ptr<Volume> volume, Find(name));
  if (!volume->importing) {
    return Error(StatusCode::kFailedPrecondition, "volume {} is not being imported", name);
  }
  BATON_RETURN_IF_ERROR(volume->file->Flush());
  VolumeRecord record = volume->RecordNow();
  record.set_importing(false);
  MetaBatch batch;
  catalog_.PutVolume(batch, record);
  BATON_RETURN_IF_ERROR(CommitVolume(std::move(batch), record, "volume-imported", "was imported"));
  volume->importing = false;
  return absl::OkStatus();
}

absl::Status EngineImpl::CheckMayGrow(const Volume& volume, const VolumeRecord& next) {
  BATON_RETURN_IF_ERROR(CheckNotImporting(volume));
  const uint64_t now_bytes = volume.file->size_bytes();
  if (next.size_bytes() <= now_bytes) {
    return Error(StatusCode::kInvalidArgument,
                 "volume {} has {} bytes and can only grow: {} bytes are not more", volume.name,
                 now_bytes, next.size_bytes());
  }
  BATON_RETURN_IF_ERROR(CheckRoom(next, next.size_bytes() - now_bytes));
  return clones_->CheckMayGrow(volume.name);
}

absl::Status EngineImpl::ResizeVolume(const std::string& name, uint64_t size_bytes) {
  SleepLock::Guard guard(commands_);
  BATON_RETURN_IF_ERROR(CheckServing());
  BATON_ASSIGN_OR_RETURN(const std::shared_ptr<Volume> volume, Find(name));
  VolumeRecord next = volume->RecordNow();
  next.set_size_bytes(size_bytes);
  BATON_RETURN_IF_ERROR(CheckMayGrow(*volume, next));
  const uint64_t before = volume->file->size_bytes();
  BATON_RETURN_IF_ERROR(ChangeVolume(
      *volume, next, "volume-resized",
      fmt::format("was resized from {} to {}", FormatSize(before), FormatSize(size_bytes))));
  volume->file->GrowTo(size_bytes);
  volume->changed.Note(runtime_.WallTime());
  return absl::OkStatus();
}

absl::Status EngineImpl::RenameVolume(const std::string& name, const std::string& to) {
  SleepLock::Guard guard(commands_);
  BATON_RETURN_IF_ERROR(CheckServing());
  BATON_ASSIGN_OR_RETURN(const std::shared_ptr<Volume> volume, Find(name));
  BATON_RETURN_IF_ERROR(CheckFreeName(to));
  BATON_RETURN_IF_ERROR(CheckNotImporting(*volume));
  BATON_RETURN_IF_ERROR(CheckUnused(*volume));
  Openings::Reservation reservation(volume->openings);
  if (!reservation.holds()) return IsOpen(*volume);
  BATON_RETURN_IF_ERROR(RemoveDeletedFiles());
  BATON_RETURN_IF_ERROR(clones_->ReleaseFromLog(*volume));
  VolumeRecord next = volume->RecordNow();
  next.set_name(to);
  // Before the change: there may be no descriptor for it, and then nothing has happened.
  BATON_ASSIGN_OR_RETURN(std::shared_ptr<Volume> renamed, OpenFile(next, VolumeFilePath(name)));
  BATON_RETURN_IF_ERROR(
      ChangeVolume(*volume, next, "volume-renamed", fmt::format("was renamed to {}", to)));
  volumes_.Replace(*volume, std::move(renamed));
  volume->path.Shutdown(Error(StatusCode::kAborted, "volume {} was renamed", name));
  reservation.Keep();  // who has found it before looks again
  return absl::OkStatus();
}

// Nobody sees a step of it: what was recorded first tells a recovery, or the end of this call, what
// to take back. While that record is there and the file is in doubt, nothing goes on.
absl::Status EngineImpl::ChangeVolume(const Volume& volume, const VolumeRecord& next,
                                      const char* kind, const std::string& text) {
  const VolumeRecord now = volume.RecordNow();
  MetaBatch begin;
  if (!BATON_MUTANT(kChangeNotRecorded)) catalog_.PutChange(begin, next);
  const absl::Status begun = catalog_.Commit(std::move(begin), Durable::kYes);
  if (!begun.ok()) return fault_.Report(begun);
  const absl::Status changed = ChangeFile(storage_, fence_, now, next);
  MetaBatch end;
  catalog_.DropChange(end, next.id());
  if (changed.ok()) {
    catalog_.PutVolume(end, next);
    return CommitVolume(std::move(end), now, kind, text);
  }
  absl::Status undone = fence_.Check();
  if (undone.ok()) undone = UndoFileChange(storage_, fence_, now, next);
  if (undone.ok()) undone = catalog_.Commit(std::move(end), Durable::kYes);
  return undone.ok() ? changed : fault_.Report(undone);
}

// What a crash has left of changes: nobody has seen them.
absl::Status EngineImpl::UndoChanges() {
  BATON_ASSIGN_OR_RETURN(const std::vector<VolumeRecord> changes, catalog_.LoadChanges());
  if (changes.empty()) return absl::OkStatus();
  BATON_ASSIGN_OR_RETURN(const std::vector<VolumeRecord> volumes, catalog_.LoadVolumes());
  MetaBatch batch;
  for (const VolumeRecord& next : changes) {
    catalog_.DropChange(batch, next.id());
    for (const VolumeRecord& now : volumes) {
      if (now.id() != next.id()) continue;
      BATON_RETURN_IF_ERROR(UndoFileChange(storage_, fence_, now, next));
    }
  }
  return catalog_.Commit(std::move(batch), Durable::kYes);
}

absl::Status EngineImpl::CheckUnused(const Volume& volume) const {
  const std::vector<uint64_t> users = ClonesUsing(volume.name);
  if (users.empty()) return absl::OkStatus();
  return Error(StatusCode::kFailedPrecondition, "clone {} uses volume {}: delete the clone first",
               users.front(), volume.name);
}

absl::Status EngineImpl::DeleteVolume(const std::string& name) {
  SleepLock::Guard guard(commands_);
  BATON_RETURN_IF_ERROR(CheckServing());
  BATON_ASSIGN_OR_RETURN(const std::shared_ptr<Volume> volume, Find(name));
  BATON_RETURN_IF_ERROR(CheckUnused(*volume));
  const Openings::Reservation reservation(volume->openings);
  if (!reservation.holds()) return IsOpen(*volume);
  MetaBatch batch;
  catalog_.DeleteVolume(batch, volume->id);
  locks_.Forget(batch, volume->id);
  catalog_.MarkDeletedFile(batch, name);
  BATON_RETURN_IF_ERROR(
      CommitVolume(std::move(batch), volume->record, "volume-deleted", "was deleted"));
  volumes_.Erase(*volume);
  volume->path.Shutdown(Error(StatusCode::kNotFound, "volume {} was deleted", name));
  return RemoveDeletedFile(name);
}

absl::Status EngineImpl::RemoveDeletedFile(const std::string& name) {
  BATON_RETURN_IF_ERROR(RemoveIfThere(storage_, VolumeFilePath(name)));
  BATON_RETURN_IF_ERROR(storage_.SyncDirectory(kVolumesPath));
  MetaBatch batch;
  catalog_.ForgetDeletedFile(batch, name);
  const absl::Status status = catalog_.Commit(std::move(batch), Durable::kYes);
  return status.ok() ? status : fault_.Report(status);
}

// What a crash or an error left of deletions. What cannot be removed now is tried again later.
absl::Status EngineImpl::RemoveDeletedFiles() {
  BATON_ASSIGN_OR_RETURN(const std::vector<std::string> names, catalog_.LoadDeletedFiles());
  for (const std::string& name : names) {
    if (volumes_.Find(name) == nullptr) (void)RemoveDeletedFile(name);
  }
  return fault_.Check();
}

std::vector<VolumeInfo> EngineImpl::ListVolumesAfter(uint64_t id, size_t limit) const {
  std::vector<VolumeInfo> infos;
  for (const std::shared_ptr<Volume>& volume : volumes_.After(id, limit)) {
    infos.push_back(KnownOf(*volume).info);
  }
  return infos;
}

absl::StatusOr<uint64_t> EngineImpl::AllocatedBytes(uint64_t id) const {
  BATON_ASSIGN_OR_RETURN(const std::shared_ptr<Volume> volume, Find(id));
  return volume->file->file().AllocatedBytes();
}

void EngineImpl::AddUse(uint64_t volume_id, VolumeStatus& status) const {
  const std::shared_ptr<Volume> volume = volumes_.Find(volume_id);
  if (volume == nullptr) return;  // deleted meanwhile
  status.set_open_count(volume->openings.count());
  for (std::string& node : locks_.Holders(volume_id)) status.add_locked_by(std::move(node));
}

absl::StatusOr<std::unique_ptr<VolumeIo>> EngineImpl::OpenVolume(uint64_t id) {
  BATON_ASSIGN_OR_RETURN(std::shared_ptr<Volume> volume, Find(id));
  if (!volume->openings.Add()) {
    return Error(StatusCode::kAborted, "the content of volume {} is being discarded", volume->name);
  }
  return std::make_unique<OpenHandle>(runtime_, std::move(volume));
}

absl::StatusOr<std::optional<DataRange>> EngineImpl::NextData(uint64_t id, uint64_t offset) const {
  BATON_ASSIGN_OR_RETURN(const std::shared_ptr<Volume> volume, Find(id));
  if (!clones_->HasView(volume->name)) return volume->file->NextData(offset);
  // Part of what the volume shows is in the clone's source: anything may be data.
  if (offset >= volume->file->size_bytes()) return std::nullopt;
  return DataRange{offset, volume->file->size_bytes()};
}

absl::StatusOr<EvictionRecord> EngineImpl::EvictNode(const std::string& node) {
  BATON_RETURN_IF_ERROR(CheckServing());
  absl::StatusOr<EvictionRecord> eviction = evictions_.Evict(node);
  if (!eviction.ok()) return fault_.Report(eviction.status());
  return eviction;
}

absl::Status EngineImpl::ReadmitNode(const std::string& node, uint64_t eviction) {
  BATON_RETURN_IF_ERROR(CheckServing());
  const absl::Status status = evictions_.Readmit(node, eviction);
  return status.ok() ? status : fault_.Report(status);
}

absl::Status EngineImpl::RecordEvent(Event event) {
  BATON_RETURN_IF_ERROR(CheckServing());
  MetaBatch batch;
  catalog_.AddEvent(batch, std::move(event));
  const absl::Status status = catalog_.Commit(std::move(batch), Durable::kYes);
  return status.ok() ? status : fault_.Report(status);
}

}  // namespace

absl::StatusOr<uint64_t> Engine::KnownMetaSequence(Storage& storage, Runtime& runtime) {
  BATON_ASSIGN_OR_RETURN(const uint64_t of_slots, IntentLog::NewestMetaSequence(storage, runtime));
  BATON_ASSIGN_OR_RETURN(const uint64_t of_logs, OldLogs::NewestMetaSequence(storage, runtime));
  return std::max(of_slots, of_logs);
}

void Engine::GiveBackSpace(Storage& storage) { RemoveDrainedLogs(storage); }

absl::StatusOr<std::unique_ptr<Engine>> Engine::Open(Options options) {
  auto engine = std::make_unique<EngineImpl>(std::move(options));
  BATON_RETURN_IF_ERROR(engine->Recover());
  return std::unique_ptr<Engine>(std::move(engine));
}

}  // namespace baton
