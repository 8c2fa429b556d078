#include "engine/clone/clones.h"

#include <absl/strings/numbers.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <set>

#include "engine/base/names.h"
#include "engine/base/status.h"
#include "engine/clone/change.h"
#include "engine/clone/clone_status.h"
#include "engine/clone/named_extents.h"

namespace baton {
namespace {

using absl::StatusCode;

}  // namespace

absl::StatusOr<std::unique_ptr<Clones>> Clones::Open(const Options& options) {
  BATON_ASSIGN_OR_RETURN(
      std::unique_ptr<IntentLog> log,
      IntentLog::Open(options.storage, options.runtime, options.epoch, options.ring));
  std::unique_ptr<Clones> clones(new Clones(options, std::move(log)));
  BATON_RETURN_IF_ERROR(clones->Recover());
  return clones;
}

Clones::Clones(const Options& options, std::unique_ptr<IntentLog> log)
    : storage_(options.storage),
      runtime_(options.runtime),
      fault_(options.fault),
      catalog_(options.catalog),
      volumes_(options.volumes),
      log_(std::move(log)),
      buffers_(runtime_, options.copy_buffers, options.copy_bytes),
      committer_(std::make_unique<BitmapCommitter>(runtime_, catalog_, *log_, fault_)),
      writeback_(std::make_unique<LogWriteback>(runtime_, *log_, *committer_, fault_,
                                                [this](uint64_t run_id, const absl::Status& why) {
                                                  return OnWritebackFailed(run_id, why);
                                                })),
      services_{runtime_, storage_,    options.fence, fault_,  catalog_,
                *log_,    *committer_, *writeback_,   buffers_},
      commands_(runtime_),
      changes_(runtime_) {
  copier_ =
      std::make_unique<Copier>(runtime_, limits::kCopyWorkers, options.copy_bytes,
                               [this](const std::shared_ptr<CopyJob>& job,
                                      const absl::Status& result) { OnJobFinished(job, result); });
  if (options.hold_copiers) copier_->HoldSteps();
  endings_thread_ = runtime_.StartThread("clone-endings", [this] { WorkOnEndings(); });
}

Clones::~Clones() { StopCopying(); }

void Clones::StartCopiers() {
  SleepLock::Guard commands(commands_);
  {
    absl::MutexLock guard(&mutex_);
    if (stopping_) return;  // the copier may be gone
  }
  copier_->StartSteps();
}

void Clones::TakeLocks() const {
  absl::ReaderMutexLock guard(&mutex_);
  for (const auto& [id, relation] : relations_) {
    if (relation->run != nullptr) (void)relation->run->locks().copying();
  }
}

void Clones::StopCopying() {
  {
    SleepLock::Guard commands(commands_);  // a command in progress is finished first
    absl::MutexLock guard(&mutex_);
    stopping_ = true;
    ended_.Signal();
  }
  endings_thread_.reset();
  copier_.reset();
}

std::vector<Residual> Clones::Finish() {
  SleepLock::Guard guard(commands_);
  writeback_.reset();  // carries what is in the intent log
  committer_.reset();  // lands what is queued
  const std::vector<IntentSlot> slots = ReadSlotsAtEnd();
  std::vector<Residual> residuals;
  MetaBatch batch;
  {
    absl::ReaderMutexLock lock(&mutex_);
    for (const auto& [id, relation] : relations_) {
      if (!IsRunning(relation->record.state())) continue;
      residuals.push_back(ResidualOf(*relation, false));
      for (const ExtentSpan& span :
           NamedExtents(slots, relation->record.run_id(), relation->run->copied())) {
        residuals.back().set_extents_named(residuals.back().extents_named() + span.count);
      }
      AddResidualEvent("clone-sealed", *relation, residuals.back(), batch);
    }
  }
  if (fault_.Check().ok() && !batch.empty()) {
    const absl::Status status = catalog_.Commit(std::move(batch), Durable::kYes);
    if (!status.ok()) (void)fault_.Report(status);
  }
  return residuals;
}

// For the feedback; without them it only says less.
std::vector<IntentSlot> Clones::ReadSlotsAtEnd() {
  std::vector<IntentSlot> slots;
  if (!fault_.Check().ok()) return slots;
  const absl::Status read = log_->ForEach([&slots](uint64_t, const IntentSlot& slot) {
    slots.push_back(slot);
    return absl::OkStatus();
  });
  if (!read.ok() && !absl::IsAborted(read)) {
    spdlog::warn("the slots cannot be read at the end: {}", Message(read));
  }
  return slots;
}

void Clones::AddResidualEvent(const std::string& kind, const Relation& relation,
                              const Residual& residual, MetaBatch& batch) const {
  const RelationRecord& record = relation.record;
  Event event;
  event.set_kind(kind);
  event.set_clone_id(record.id());
  event.set_text(fmt::format(
      "clone {} ({} -> {}): {} of {} extents are left, {} pending, {} copying, {} landing",
      record.id(), record.source(), record.target(), residual.extents_residual(),
      relation.run->geometry().extents(), residual.extents_pending(), residual.extents_copying(),
      residual.extents_landing()));
  *event.mutable_residual() = residual;
  catalog_.AddEvent(batch, std::move(event));
}

absl::Status Clones::CheckServing() const {
  BATON_RETURN_IF_ERROR(fault_.Check());
  absl::ReaderMutexLock guard(&mutex_);
  if (!stopping_) return absl::OkStatus();
  return Error(StatusCode::kAborted, "the engine is stopping: no command is taken any more");
}

absl::StatusOr<Clones::RelationPtr> Clones::Get(uint64_t id) const {
  absl::ReaderMutexLock guard(&mutex_);
  const auto found = relations_.find(id);
  if (found != relations_.end()) return found->second;
  return NoSuchClone(id);
}

absl::StatusOr<Clones::RelationPtr> Clones::GetFor(Action action, uint64_t id) const {
  BATON_RETURN_IF_ERROR(CheckServing());
  BATON_ASSIGN_OR_RETURN(RelationPtr relation, Get(id));
  BATON_RETURN_IF_ERROR(CheckAllowed(action, RecordOf(*relation)));
  return relation;
}

absl::StatusOr<std::vector<Clones::RelationPtr>> Clones::GetFor(
    Action action, const std::vector<uint64_t>& ids) const {
  if (ids.empty()) return Error(StatusCode::kInvalidArgument, "{}: name a clone", Name(action));
  std::vector<RelationPtr> relations;
  for (const uint64_t id : std::set<uint64_t>(ids.begin(), ids.end())) {
    BATON_ASSIGN_OR_RETURN(RelationPtr relation, GetFor(action, id));
    relations.push_back(std::move(relation));
  }
  return relations;
}

RelationRecord Clones::RecordOf(const Relation& relation) const {
  absl::ReaderMutexLock guard(&mutex_);
  return relation.record;
}

absl::StatusOr<std::shared_ptr<Volume>> Clones::UsableVolume(const std::string& name) const {
  BATON_RETURN_IF_ERROR(CheckName(name));
  std::shared_ptr<Volume> volume = volumes_.Find(name);
  if (volume == nullptr) return NoSuchVolume(name);
  if (volume->importing) {
    return Error(StatusCode::kFailedPrecondition,
                 "volume {} is being imported; wait for the import, or delete the volume if the "
                 "import was broken off",
                 name);
  }
  return volume;
}

// What one relation holds, another may not use: a running clone's target is no source and no
// second target, its source no target; a target that is offline is neither.
absl::Status Clones::CheckPair(const RelationRecord& record) const {
  absl::ReaderMutexLock guard(&mutex_);
  for (const auto& [id, relation] : relations_) {
    if (id == record.id()) continue;
    const RelationRecord& other = relation->record;
    const bool holds_target = IsActive(other.state()) || IsTargetOffline(other.state());
    const std::string state = Name(other.state());
    if (holds_target && (other.target() == record.target() || other.target() == record.source())) {
      return Error(StatusCode::kFailedPrecondition,
                   "volume {} is the target of clone {}, which is {}: wait for its end or stop "
                   "it, and delete it",
                   other.target(), id, state);
    }
    if (IsActive(other.state()) && other.source() == record.target()) {
      return Error(StatusCode::kFailedPrecondition,
                   "volume {} is the source of clone {}, which is {}: wait for its end or stop it",
                   other.source(), id, state);
    }
  }
  return absl::OkStatus();
}

// Relations that are to become active together are in each other's way like active ones.
absl::Status Clones::CheckGroup(const std::vector<RelationPtr>& relations) const {
  if (const size_t active = CountActive();
      active + relations.size() > limits::kMaxActiveRelations) {
    return Error(StatusCode::kResourceExhausted, "{} clones are active, and the limit is {}",
                 active, limits::kMaxActiveRelations);
  }
  std::map<std::string, uint64_t> targets;
  for (const RelationPtr& relation : relations) {
    const RelationRecord record = RecordOf(*relation);
    const auto [other, is_new] = targets.emplace(record.target(), record.id());
    if (is_new) continue;
    return Error(StatusCode::kFailedPrecondition,
                 "volume {} is the target of clone {} and of clone {}: activate one of them",
                 record.target(), other->second, record.id());
  }
  for (const RelationPtr& relation : relations) {
    const RelationRecord record = RecordOf(*relation);
    const auto other = targets.find(record.source());
    if (other == targets.end()) continue;
    return Error(StatusCode::kFailedPrecondition,
                 "volume {} is the target of clone {} and the source of clone {}: activate one of "
                 "them",
                 record.source(), other->second, record.id());
  }
  return absl::OkStatus();
}

size_t Clones::CountActive() const {
  absl::ReaderMutexLock guard(&mutex_);
  return std::count_if(relations_.begin(), relations_.end(),
                       [](const auto& entry) { return IsActive(entry.second->record.state()); });
}

absl::StatusOr<uint64_t> Clones::Find(const std::string& id_or_target) const {
  CloneMatches matches;
  uint64_t id = 0;
  absl::ReaderMutexLock guard(&mutex_);
  if (absl::SimpleAtoi(id_or_target, &id) && relations_.contains(id)) matches.by_number = id;
  for (const auto& [number, relation] : relations_) {
    if (relation->record.target() == id_or_target) matches.by_target = number;
  }
  return ChooseClone(id_or_target, matches);
}

std::vector<uint64_t> Clones::Using(const std::string& volume) const {
  absl::ReaderMutexLock guard(&mutex_);
  std::vector<uint64_t> ids;
  for (const auto& [id, relation] : relations_) {
    const RelationRecord& record = relation->record;
    if (record.source() == volume || record.target() == volume) ids.push_back(id);
  }
  return ids;
}

bool Clones::IsOffline(const std::string& volume) const {
  absl::ReaderMutexLock guard(&mutex_);
  return std::any_of(relations_.begin(), relations_.end(), [&](const auto& entry) {
    const RelationRecord& record = entry.second->record;
    return record.target() == volume && IsTargetOffline(record.state());
  });
}

bool Clones::HasView(const std::string& volume) const {
  absl::ReaderMutexLock guard(&mutex_);
  return std::any_of(relations_.begin(), relations_.end(), [&](const auto& entry) {
    return entry.second->record.target() == volume && entry.second->run != nullptr;
  });
}

}  // namespace baton
