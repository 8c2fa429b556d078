// The standby's view: records and bitmaps in memory, changed by Poll alone.
#include "engine/standby_view.h"

#include <absl/synchronization/mutex.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "engine/base/names.h"
#include "engine/base/sleep_lock.h"
#include "engine/base/status.h"
#include "engine/clone/clone_status.h"
#include "engine/clone/intent_log.h"
#include "engine/clone/state.h"
#include "engine/clone/warm_clone.h"
#include "engine/meta/catalog_reader.h"
#include "engine/meta/meta_follower.h"
#include "engine/meta/pool_file.h"
#include "engine/prepare_check.h"
#include "engine/volume/volume_index.h"
#include "engine/volume_files.h"

namespace baton {
namespace {

// Rows of bitmaps that one poll reads of one clone; what is beyond is for the next poll.
constexpr uint64_t kPagesPerPoll = 256;
// Records are read again when an event tells of a change, and so often in any case.
constexpr absl::Duration kReadRecordsAfter = absl::Seconds(1);
// A slot may be read while its owner writes it.
constexpr int kSlotReadAttempts = 3;

bool HasRun(RelationState state) { return IsActive(state) || IsTargetOffline(state); }

// What the metadata said at one sequence.
struct Records {
  VolumeIndex<VolumeRecord> volumes;
  uint64_t times_epoch = 0;  // see CatalogReader::LoadTimesEpoch
  std::map<uint64_t, RelationRecord> relations;
  uint64_t last_event = 0;
};

// All that queries need; replaced as a whole.
struct Shown {
  uint64_t epoch = 0;
  uint64_t sequence = 0;
  uint64_t reopened = 0;
  std::shared_ptr<const MetaReader> reader;  // null: there is no metadata yet
  std::shared_ptr<const Records> records = std::make_shared<Records>();
  std::map<uint64_t, std::shared_ptr<WarmClone>> warm;  // by clone
};
using ShownPtr = std::shared_ptr<const Shown>;

absl::StatusOr<std::vector<IntentSlot>> ReadSlotsOnce(Storage& storage, Runtime& runtime) {
  std::vector<IntentSlot> slots;
  BATON_RETURN_IF_ERROR(
      ForEachIntentSlot(storage, runtime, [&slots](uint64_t, const IntentSlot& slot) {
        slots.push_back(slot);
        return absl::OkStatus();
      }));
  return slots;
}

absl::StatusOr<std::vector<IntentSlot>> ReadSlots(Storage& storage, Runtime& runtime) {
  absl::StatusOr<std::vector<IntentSlot>> slots = ReadSlotsOnce(storage, runtime);
  for (int i = 1; i < kSlotReadAttempts && absl::IsDataLoss(slots.status()); ++i) {
    slots = ReadSlotsOnce(storage, runtime);
  }
  return slots;
}

absl::StatusOr<std::shared_ptr<const Records>> LoadRecords(const CatalogReader& catalog,
                                                           uint64_t last_event) {
  auto records = std::make_shared<Records>();
  records->last_event = last_event;
  BATON_ASSIGN_OR_RETURN(const std::vector<VolumeRecord> volumes, catalog.LoadVolumes());
  for (const VolumeRecord& volume : volumes) {
    records->volumes.Insert(volume.id(), volume.name(), volume);
  }
  BATON_ASSIGN_OR_RETURN(records->times_epoch, catalog.LoadTimesEpoch());
  BATON_ASSIGN_OR_RETURN(std::vector<RelationRecord> relations, catalog.LoadRelations());
  for (RelationRecord& relation : relations) {
    const uint64_t id = relation.id();
    records->relations[id] = std::move(relation);
  }
  return records;
}

// 0: only the owner knows.
int64_t ChangeTimeOf(const VolumeRecord& record, const Shown& shown) {
  if (shown.records->times_epoch != shown.epoch) return 0;
  return std::max(record.created_unix_us(), record.changed_unix_us());
}

Residual ResidualOfRun(const RelationRecord& record, const WarmClone& warm,
                       const std::vector<ExtentSpan>& landing, bool with_extents) {
  uint64_t landing_extents = 0;
  for (const ExtentSpan& span : landing) landing_extents += span.count;
  const uint64_t left = warm.copied().bits() - warm.copied().count();
  Residual residual;
  residual.set_extents_landing(std::min(left, landing_extents));
  residual.set_extents_pending(left - residual.extents_landing());
  SetResidualSum(record, left, residual);
  if (with_extents) {
    AddPendingRuns(warm.copied(), landing, residual);
    for (const ExtentSpan& span : landing) {
      AddRun(span, *residual.mutable_landing(), residual);
    }
  }
  return residual;
}

class StandbyViewImpl final : public StandbyView {
 public:
  explicit StandbyViewImpl(Options options)
      : storage_(options.storage),
        runtime_(options.runtime),
        polling_(runtime_),
        follower_(storage_, std::move(options.pool_directory), runtime_),
        good_poll_(runtime_.BootTime()) {}

  absl::Status Poll() override;
  void NoteOwner(uint64_t epoch, uint64_t sequence) override;
  uint64_t epoch() const override { return Now()->epoch; }
  uint64_t sequence() const override { return Now()->sequence; }
  ViewLag Lag() const override;

  std::vector<VolumeInfo> ListVolumesAfter(uint64_t id, size_t limit) const override;
  size_t CountVolumes() const override { return Now()->records->volumes.size(); }
  absl::StatusOr<uint64_t> AllocatedBytes(uint64_t id) const override;
  std::vector<CloneStatus> ListClones() const override;
  absl::StatusOr<CloneStatus> ShowClone(uint64_t id) const override;
  absl::StatusOr<Residual> CloneResidual(uint64_t id, bool with_extents) const override;
  absl::StatusOr<std::vector<Event>> ListEvents(uint64_t after_sequence,
                                                size_t limit) const override;
  absl::StatusOr<uint64_t> LastEventAfter(uint64_t after_sequence) const override;

  absl::Status CheckPrepare(const std::string& source, const std::string& target,
                            uint64_t size_bytes) override;
  absl::Status RegisterClone(uint64_t id) override;
  void DropClone(uint64_t id) override;
  std::vector<WarmStatus> ListWarm() const override;

 protected:
  std::optional<KnownVolume> LookUpVolume(const std::string& name) const override {
    return LookUpIn(*Now(), name);
  }
  std::optional<KnownVolume> LookUpVolume(uint64_t id) const override {
    return LookUpIn(*Now(), id);
  }
  void ForEachRelation(absl::FunctionRef<void(const RelationRecord&)> visit) const override;

 private:
  // What a query found out about one clone.
  struct Found {
    ShownPtr shown;
    RelationRecord record;
    std::shared_ptr<WarmClone> warm;  // null: it has no run
  };

  ShownPtr Now() const {
    absl::MutexLock guard(&mutex_);
    return shown_;
  }
  absl::Status PollLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(polling_);
  absl::Status Follow(bool reopen) ABSL_EXCLUSIVE_LOCKS_REQUIRED(polling_);
  absl::Status ReadNews(Shown& next) ABSL_EXCLUSIVE_LOCKS_REQUIRED(polling_);
  absl::StatusOr<std::shared_ptr<const Records>> ReadRecords(const CatalogReader& catalog)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(polling_);
  absl::Status KeepWarm(const CatalogReader& catalog, Shown& next);
  absl::Status LookForClone(uint64_t id) const;
  template <typename Key>
  static std::optional<KnownVolume> LookUpIn(const Shown& shown, const Key& key);
  absl::StatusOr<uint64_t> SizeOf(const std::string& name) const;
  // With all that the metadata have of it.
  absl::StatusOr<Found> FindUpToDate(uint64_t id) const;
  absl::StatusOr<Residual> ResidualOf(const Found& found, bool with_extents) const;

  Storage& storage_;
  Runtime& runtime_;

  mutable SleepLock polling_;  // held over I/O
  MetaFollower follower_ ABSL_GUARDED_BY(polling_);
  // Where and when the records were read.
  std::shared_ptr<const MetaReader> records_of_ ABSL_GUARDED_BY(polling_);
  absl::Duration records_read_ ABSL_GUARDED_BY(polling_);

  mutable absl::Mutex mutex_;  // never held over I/O
  ShownPtr shown_ ABSL_GUARDED_BY(mutex_) = std::make_shared<Shown>();
  absl::Duration good_poll_ ABSL_GUARDED_BY(mutex_);
  absl::Status last_poll_ ABSL_GUARDED_BY(mutex_);
  uint64_t owner_epoch_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t owner_sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  std::set<uint64_t> dropped_runs_ ABSL_GUARDED_BY(mutex_);
};

absl::Status StandbyViewImpl::Poll() {
  SleepLock::Guard guard(polling_);
  return PollLocked();
}

// When anything fails, a file may have been removed underneath: once more, with the newest
// directory opened again.
absl::Status StandbyViewImpl::PollLocked() {
  absl::Status status = Follow(/*reopen=*/false);
  if (!status.ok()) status = Follow(/*reopen=*/true);
  const absl::Duration now = runtime_.BootTime();
  absl::MutexLock guard(&mutex_);
  last_poll_ = status;
  if (status.ok()) good_poll_ = now;
  return status;
}

absl::Status StandbyViewImpl::Follow(bool reopen) {
  uint64_t owner_epoch, owner_sequence;
  {
    absl::MutexLock guard(&mutex_);
    owner_epoch = owner_epoch_;
    owner_sequence = owner_sequence_;
  }
  BATON_RETURN_IF_ERROR(reopen ? follower_.Reopen()
                               : follower_.CatchUp(owner_epoch, owner_sequence));
  if (follower_.reader() == nullptr) return absl::OkStatus();
  auto next = std::make_shared<Shown>(*Now());
  const bool is_new = next->reader != follower_.reader();
  const bool is_next_epoch = next->epoch != follower_.epoch();
  next->epoch = follower_.epoch();
  next->reader = follower_.reader();
  next->reopened = follower_.reopened();
  if (is_next_epoch) next->warm.clear();  // what was not durable may not be true any more
  if (is_new) {
    for (const auto& [id, clone] : next->warm) clone->ReadAgain();
  }
  const uint64_t sequence = follower_.sequence();
  const bool is_behind = std::any_of(next->warm.begin(), next->warm.end(), [&](const auto& entry) {
    return !entry.second->HasAll(sequence);
  });
  if (is_new || is_behind || next->sequence != sequence) {
    next->sequence = sequence;
    BATON_RETURN_IF_ERROR(ReadNews(*next));
  }
  absl::MutexLock guard(&mutex_);
  shown_ = std::move(next);
  return absl::OkStatus();
}

absl::Status StandbyViewImpl::ReadNews(Shown& next) {
  const CatalogReader catalog(*next.reader);
  BATON_ASSIGN_OR_RETURN(next.records, ReadRecords(catalog));
  return KeepWarm(catalog, next);
}

// No volume and no relation changes without an event. The look from time to time is for what a
// secondary instance may have missed in silence.
absl::StatusOr<std::shared_ptr<const Records>> StandbyViewImpl::ReadRecords(
    const CatalogReader& catalog) {
  const ShownPtr before = Now();
  const bool is_same = records_of_ == follower_.reader();
  BATON_ASSIGN_OR_RETURN(const uint64_t last_event,
                         catalog.LastEventAfter(is_same ? before->records->last_event : 0));
  const absl::Duration now = runtime_.BootTime();
  const bool is_fresh = now - records_read_ < kReadRecordsAfter;
  if (is_same && is_fresh && last_event == before->records->last_event) return before->records;
  BATON_ASSIGN_OR_RETURN(std::shared_ptr<const Records> records, LoadRecords(catalog, last_event));
  records_of_ = follower_.reader();
  records_read_ = now;
  return records;
}

absl::Status StandbyViewImpl::KeepWarm(const CatalogReader& catalog, Shown& next) {
  std::map<uint64_t, std::shared_ptr<WarmClone>> warm;
  for (const auto& [id, record] : next.records->relations) {
    if (!HasRun(record.state())) continue;
    const auto before = next.warm.find(id);
    const bool is_same = before != next.warm.end() && before->second->run_id() == record.run_id();
    const std::shared_ptr<WarmClone> clone =
        is_same ? before->second : std::make_shared<WarmClone>(record);
    BATON_RETURN_IF_ERROR(clone->Follow(catalog, next.sequence, kPagesPerPoll));
    warm[id] = clone;
  }
  next.warm = std::move(warm);
  return absl::OkStatus();
}

void StandbyViewImpl::NoteOwner(uint64_t epoch, uint64_t sequence) {
  absl::MutexLock guard(&mutex_);
  if (epoch < owner_epoch_) return;
  owner_sequence_ = epoch > owner_epoch_ ? sequence : std::max(owner_sequence_, sequence);
  owner_epoch_ = epoch;
}

ViewLag StandbyViewImpl::Lag() const {
  const absl::Duration now = runtime_.BootTime();
  absl::MutexLock guard(&mutex_);
  return {.epoch = shown_->epoch,
          .sequence = shown_->sequence,
          .owner_sequence = owner_sequence_,
          .sequences = owner_sequence_ - std::min(owner_sequence_, shown_->sequence),
          .age = now - good_poll_,
          .last_poll = last_poll_,
          .reopened = shown_->reopened};
}

std::vector<VolumeInfo> StandbyViewImpl::ListVolumesAfter(uint64_t id, size_t limit) const {
  std::vector<VolumeInfo> infos;
  const ShownPtr shown = Now();
  shown->records->volumes.ForEachAfter(id, limit, [&](const VolumeRecord& record) {
    infos.push_back(KnownOf(record, ChangeTimeOf(record, *shown)).info);
  });
  return infos;
}

template <typename Key>
std::optional<PoolView::KnownVolume> StandbyViewImpl::LookUpIn(const Shown& shown, const Key& key) {
  const VolumeRecord* const record = shown.records->volumes.Find(key);
  if (record == nullptr) return std::nullopt;
  return KnownOf(*record, ChangeTimeOf(*record, shown));
}

absl::StatusOr<uint64_t> StandbyViewImpl::AllocatedBytes(uint64_t id) const {
  BATON_ASSIGN_OR_RETURN(const VolumeInfo volume, FindVolume(id));
  BATON_ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                         storage_.Open(VolumeFilePath(volume.name), {.read_only = true}));
  return file->AllocatedBytes();
}

void StandbyViewImpl::ForEachRelation(absl::FunctionRef<void(const RelationRecord&)> visit) const {
  const ShownPtr shown = Now();
  for (const auto& [id, record] : shown->records->relations) visit(record);
}

std::vector<CloneStatus> StandbyViewImpl::ListClones() const {
  const ShownPtr shown = Now();
  std::vector<CloneStatus> all;
  for (const auto& [id, record] : shown->records->relations) {
    const auto warm = shown->warm.find(id);
    if (warm == shown->warm.end()) {
      all.push_back(
          MakeCloneStatus(record, ResidualWithoutRun(record, false), record.copies_total()));
    } else {
      all.push_back(MakeCloneStatus(record, ResidualOfRun(record, *warm->second, {}, false),
                                    warm->second->copies()));
    }
  }
  return all;
}

absl::StatusOr<StandbyViewImpl::Found> StandbyViewImpl::FindUpToDate(uint64_t id) const {
  SleepLock::Guard guard(polling_);
  Found found{.shown = Now(), .record = {}, .warm = nullptr};
  const auto relation = found.shown->records->relations.find(id);
  if (relation == found.shown->records->relations.end()) return NoSuchClone(id);
  found.record = relation->second;
  if (!HasRun(found.record.state())) return found;
  found.warm = found.shown->warm.at(id);
  BATON_RETURN_IF_ERROR(
      found.warm->FollowAll(CatalogReader(*found.shown->reader), found.shown->sequence));
  return found;
}

absl::StatusOr<Residual> StandbyViewImpl::ResidualOf(const Found& found, bool with_extents) const {
  Residual residual;
  if (found.warm == nullptr) {
    residual = ResidualWithoutRun(found.record, with_extents);
  } else if (!IsRunning(found.record.state())) {
    residual = ResidualOfRun(found.record, *found.warm, {}, with_extents);
  } else {
    BATON_ASSIGN_OR_RETURN(const std::vector<IntentSlot> slots, ReadSlots(storage_, runtime_));
    residual = ResidualOfRun(found.record, *found.warm, found.warm->Landing(slots), with_extents);
  }
  residual.set_id(found.record.id());
  residual.set_sequence(found.shown->sequence);
  return residual;
}

absl::StatusOr<CloneStatus> StandbyViewImpl::ShowClone(uint64_t id) const {
  BATON_ASSIGN_OR_RETURN(const Found found, FindUpToDate(id));
  BATON_ASSIGN_OR_RETURN(const Residual residual, ResidualOf(found, false));
  return MakeCloneStatus(found.record, residual,
                         found.warm ? found.warm->copies() : found.record.copies_total());
}

absl::StatusOr<Residual> StandbyViewImpl::CloneResidual(uint64_t id, bool with_extents) const {
  BATON_ASSIGN_OR_RETURN(const Found found, FindUpToDate(id));
  return ResidualOf(found, with_extents);
}

absl::StatusOr<std::vector<Event>> StandbyViewImpl::ListEvents(uint64_t after_sequence,
                                                               size_t limit) const {
  const ShownPtr shown = Now();
  if (shown->reader == nullptr) return std::vector<Event>();
  return CatalogReader(*shown->reader).ListEvents(after_sequence, limit);
}

absl::StatusOr<uint64_t> StandbyViewImpl::LastEventAfter(uint64_t after_sequence) const {
  const ShownPtr shown = Now();
  if (shown->reader == nullptr) return after_sequence;
  return CatalogReader(*shown->reader).LastEventAfter(after_sequence);
}

absl::StatusOr<uint64_t> StandbyViewImpl::SizeOf(const std::string& name) const {
  BATON_RETURN_IF_ERROR(CheckName(name));
  const absl::StatusOr<VolumeInfo> volume = FindVolume(name);
  if (volume.ok()) return volume->size_bytes;
  // One that was made a moment ago may not be shown yet.
  const absl::StatusOr<std::unique_ptr<File>> file =
      storage_.Open(VolumeFilePath(name), {.read_only = true});
  if (absl::IsNotFound(file.status())) return NoSuchVolume(name);
  BATON_RETURN_IF_ERROR(file.status());
  return (*file)->SizeBytes();
}

absl::Status StandbyViewImpl::CheckPrepare(const std::string& source, const std::string& target,
                                           uint64_t size_bytes) {
  BATON_RETURN_IF_ERROR(storage_.FreeBytes().status());
  BATON_ASSIGN_OR_RETURN(const uint64_t source_bytes, SizeOf(source));
  BATON_ASSIGN_OR_RETURN(const uint64_t target_bytes, SizeOf(target));
  if (source_bytes != target_bytes) {
    return Error(absl::StatusCode::kInvalidArgument,
                 "the volumes differ in size: {} has {} bytes, {} has {} bytes", source,
                 source_bytes, target, target_bytes);
  }
  const uint64_t expected_bytes = size_bytes == 0 ? source_bytes : size_bytes;
  BATON_RETURN_IF_ERROR(CheckVolumeReachable(storage_, runtime_, source, expected_bytes));
  return CheckVolumeReachable(storage_, runtime_, target, expected_bytes);
}

absl::Status StandbyViewImpl::LookForClone(uint64_t id) const {
  const ShownPtr shown = Now();
  const auto relation = shown->records->relations.find(id);
  if (relation == shown->records->relations.end()) return NoSuchClone(id);
  if (IsActive(relation->second.state())) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "clone {} is {} as this controller sees it",
               id, Name(relation->second.state()));
}

absl::Status StandbyViewImpl::RegisterClone(uint64_t id) {
  SleepLock::Guard guard(polling_);
  BATON_RETURN_IF_ERROR(PollLocked());
  if (!LookForClone(id).ok()) BATON_RETURN_IF_ERROR(Follow(/*reopen=*/true));
  BATON_RETURN_IF_ERROR(LookForClone(id));
  absl::MutexLock lock(&mutex_);
  dropped_runs_.erase(shown_->records->relations.at(id).run_id());
  return absl::OkStatus();
}

void StandbyViewImpl::DropClone(uint64_t id) {
  absl::MutexLock lock(&mutex_);
  const auto warm = shown_->warm.find(id);
  if (warm != shown_->warm.end()) dropped_runs_.insert(warm->second->run_id());
}

std::vector<WarmStatus> StandbyViewImpl::ListWarm() const {
  absl::MutexLock lock(&mutex_);
  std::vector<WarmStatus> all;
  for (const auto& [id, record] : shown_->records->relations) {
    if (!IsActive(record.state())) continue;
    WarmStatus& status = all.emplace_back();
    status.id = id;
    status.extents_total = GeometryOf(record).extents();
    const WarmClone& warm = *shown_->warm.at(id);
    status.registered = warm.sequence() > 0 && !dropped_runs_.contains(warm.run_id());
    status.extents_copied = warm.copied().count();
    status.sequence = warm.sequence();
  }
  return all;
}

}  // namespace

absl::StatusOr<std::unique_ptr<StandbyView>> StandbyView::Open(Options options) {
  auto view = std::make_unique<StandbyViewImpl>(std::move(options));
  BATON_RETURN_IF_ERROR(view->Poll());
  return std::unique_ptr<StandbyView>(std::move(view));
}

}  // namespace baton
