#include "engine/write_log/write_log.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/base/mutant.h"
#include "engine/base/race_point.h"
#include "engine/base/retry.h"
#include "engine/base/status.h"
#include "engine/meta/pool_file.h"

namespace baton {
namespace {

using limits::kBlockBytes;
constexpr absl::Duration kBetweenSegments = absl::Milliseconds(10);

uint64_t FirstBlock(uint64_t offset) { return offset / kBlockBytes; }
uint64_t BlocksTouched(uint64_t offset, uint64_t length_bytes) {
  return (offset + length_bytes + kBlockBytes - 1) / kBlockBytes - FirstBlock(offset);
}

bool IsAligned(uint64_t begin, MutableBytes out) {
  return begin % kBlockBytes == 0 && out.size() % kBlockBytes == 0 &&
         reinterpret_cast<uintptr_t>(out.data()) % kBlockBytes == 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<WriteLog>> WriteLog::Open(const Options& options) {
  BATON_ASSIGN_OR_RETURN(OldLogs old,
                         OldLogs::Load(options.storage, options.runtime, options.epoch));
  return std::unique_ptr<WriteLog>(new WriteLog(options, std::move(old)));
}

WriteLog::WriteLog(const Options& options, OldLogs old_logs)
    : options_(options),
      runtime_(options.runtime),
      old_logs_(std::move(old_logs)),
      own_number_(static_cast<uint32_t>(old_logs_.logs().size())),
      index_(options.shape.segments * options.shape.segment_blocks + old_logs_.data_blocks()),
      buffers_(options.runtime, options.buffers, kBlockBytes + limits::kMaxLoggedBytes),
      segments_(options.shape.segments) {
  for (Segment& segment : segments_) segment.writes.reserve(options.shape.segment_blocks / 2);
  for (uint32_t number = 0; number < own_number_; ++number) {
    for (const LogWrite& write : old_logs_.logs()[number].writes) {
      IndexEntry(VolumeOf(write.volume_id), write, number);
    }
  }
  // Whatever is in an old log can be written to in the new one only: hosts would wait for room.
  enabled_ = old_logs_.data_blocks() > 0;
  thread_ = runtime_.StartThread("log-room", [this] { MakeRoom(); });
}

WriteLog::~WriteLog() { Stop(); }

void WriteLog::Stop() {
  {
    absl::MutexLock guard(&mutex_);
    stopping_ = true;
    room_wanted_.Signal();
    batch_due_.SignalAll();
  }
  thread_.reset();
}

void WriteLog::GiveUp(const absl::Status& aborted) {
  absl::MutexLock guard(&mutex_);
  aborted_.Update(aborted);
  gave_up_ = true;
  room_wanted_.Signal();
  for (absl::CondVar* condition : {&room_made_, &batch_due_, &drained_}) condition->SignalAll();
}

absl::Status WriteLog::Fail(const absl::Status& why) {
  const absl::Status aborted = absl::IsAborted(why) ? why : options_.fault.Report(why);
  GiveUp(aborted);
  return aborted;
}

absl::Status WriteLog::Check() const {
  if (!gave_up_) return absl::OkStatus();
  absl::MutexLock guard(&mutex_);
  return aborted_;
}

void WriteLog::Enable() {
  absl::MutexLock guard(&mutex_);
  enabled_ = true;
  is_full_ = false;  // there may be space again
  room_wanted_.Signal();
}

LoggedVolume& WriteLog::VolumeOf(uint64_t id) {
  absl::MutexLock guard(&mutex_);
  std::unique_ptr<LoggedVolume>& volume = volumes_[id];
  if (volume == nullptr) volume = std::make_unique<LoggedVolume>(id);
  return *volume;
}

std::vector<uint64_t> WriteLog::LoggedVolumes() const {
  absl::MutexLock guard(&mutex_);
  std::vector<uint64_t> ids;
  for (const auto& [id, volume] : volumes_) {
    if (volume->blocks > 0) ids.push_back(id);
  }
  return ids;
}

uint64_t WriteLog::segments() const {
  absl::MutexLock guard(&mutex_);
  return made_;
}

WriteLogStatus WriteLog::Describe() const {
  WriteLogStatus status;
  absl::MutexLock guard(&mutex_);
  status.set_room_bytes(made_ * options_.shape.segment_blocks * kBlockBytes);
  status.set_used_bytes(UsedBlocks() * kBlockBytes);
  status.set_logged_bytes(LoggedBlocks() * kBlockBytes);
  if (!stuck_.ok()) status.set_problem(Message(stuck_));
  return status;
}

uint64_t WriteLog::used_bytes() const {
  absl::MutexLock guard(&mutex_);
  return UsedBlocks() * kBlockBytes;
}

uint64_t WriteLog::UsedBlocks() const {
  uint64_t blocks = filling_ ? segments_[*filling_].used_blocks : 0;
  for (const uint64_t segment : sealed_) blocks += segments_[segment].used_blocks;
  return blocks;
}

// ---- room ----

void WriteLog::MakeRoom() {
  while (true) {
    std::optional<Task> next;
    {
      absl::MutexLock guard(&mutex_);
      while (!stopping_ && aborted_.ok() && !(next = NextTask())) {
        runtime_.Wait(room_wanted_, mutex_);
      }
      if (stopping_ || !aborted_.ok()) return;
    }
    Do(*next);
  }
}

// Writes wait for a segment that is ready; the next owner will wait for those without a list.
std::optional<WriteLog::Task> WriteLog::NextTask() const {
  if (!ready_) {
    for (uint64_t segment = 0; segment < made_; ++segment) {
      if (segments_[segment].is_free) return Task{Task::Kind::kMakeReady, segment};
    }
  }
  if (const auto segment = SegmentToList()) return Task{Task::Kind::kList, *segment};
  if (enabled_ && !is_full_ && made_ < segments_.size()) return Task{Task::Kind::kAdd, made_};
  return std::nullopt;
}

// Not the one that is being drained: it will soon be free.
std::optional<uint64_t> WriteLog::SegmentToList() const {
  for (size_t i = draining_own_ ? 1 : 0; i < sealed_.size(); ++i) {
    const Segment& segment = segments_[sealed_[i]];
    if (!segment.is_listed && segment.in_flight == 0) return sealed_[i];
  }
  return std::nullopt;
}

void WriteLog::Do(const Task& task) {
  absl::Status done;
  if (task.kind == Task::Kind::kAdd) done = AddSegment(task.segment);
  if (task.kind == Task::Kind::kMakeReady) done = MakeReady(task.segment);
  if (task.kind == Task::Kind::kList) done = List(task.segment);
  if (done.ok()) return;
  if (task.kind == Task::Kind::kAdd && !absl::IsAborted(done) && !absl::IsDataLoss(done)) {
    OnNoRoom(done);
  } else {
    (void)Fail(done);
  }
}

// What a list names must be durable: nobody will look whether it is whole. It may be drained
// meanwhile; then the list is of an earlier use of the segment.
absl::Status WriteLog::List(uint64_t segment) {
  SegmentList list;
  {
    absl::MutexLock guard(&mutex_);
    Segment& listed = segments_[segment];
    if (listed.is_free) return absl::OkStatus();
    listed.is_listed = true;
    list = {segment, listed.first_sequence, listed.writes};
  }
  if (!BATON_MUTANT(kListedBeforeDurable)) BATON_RETURN_IF_ERROR(SyncOwn());
  BATON_RETURN_IF_ERROR(options_.fence.Check());
  const absl::Status written = Repeated(runtime_, [&] { return file_.load()->WriteList(list); });
  if (written.ok() || absl::IsAborted(written)) return written;
  // It only saves the next owner time; what of it arrives later is true all the same.
  spdlog::info("a segment of the write log gets no list: {}", Message(written));
  return absl::OkStatus();
}

// The log takes no more than an eighth of what is free: volumes need it, too.
absl::Status WriteLog::AddSegment(uint64_t segment) {
  const WriteLogShape& shape = options_.shape;
  const uint64_t bytes =
      (shape.BlocksWith(segment + 1) + (segment + 1) * shape.list_blocks()) * kBlockBytes;
  BATON_ASSIGN_OR_RETURN(const uint64_t free_bytes, options_.storage.FreeBytes());
  if (free_bytes < limits::kReserveBytes + 8 * bytes) {
    return absl::ResourceExhaustedError("little space is left");
  }
  BATON_RETURN_IF_ERROR(options_.fence.Check());
  if (own_ == nullptr) {
    BATON_RETURN_IF_ERROR(RaiseFormat(options_.storage));
    BATON_ASSIGN_OR_RETURN(
        own_, WriteLogFile::Create(options_.storage, runtime_, options_.epoch, options_.shape));
    file_ = own_.get();
  }
  BATON_RETURN_IF_ERROR(own_->AddSegment(segment));
  absl::MutexLock guard(&mutex_);
  ++made_;
  const absl::Duration end = runtime_.BootTime() + kBetweenSegments;  // others use storage, too
  while (ready_ && !stopping_ && runtime_.BootTime() < end) {
    runtime_.WaitUntil(room_wanted_, mutex_, end);
  }
  return absl::OkStatus();
}

// What is in it from before is nothing from here on: it is older than what comes.
absl::Status WriteLog::MakeReady(uint64_t segment) {
  BATON_RETURN_IF_ERROR(options_.fence.Check());
  const uint64_t first_sequence = sequence_ + 1;
  BATON_RETURN_IF_ERROR(WriteRecord({.segment = segment,
                                     .first_sequence = first_sequence,
                                     .meta_sequence = options_.meta_sequence()}));
  absl::MutexLock guard(&mutex_);
  segments_[segment].is_free = false;
  segments_[segment].first_sequence = first_sequence;
  ready_ = segment;
  room_made_.SignalAll();
  return absl::OkStatus();
}

absl::Status WriteLog::WriteRecord(const SegmentRecord& record) {
  return Repeated(runtime_, [&] { return file_.load()->WriteRecord(record); });
}

// Without more room writes go the other way. What else fails is the storage of the controller.
void WriteLog::OnNoRoom(const absl::Status& why) {
  spdlog::info("the write log gets no more room than it has: {}", Message(why));
  absl::MutexLock guard(&mutex_);
  is_full_ = true;
  room_made_.SignalAll();
}

// ---- writes ----

absl::StatusOr<bool> WriteLog::Append(LoggedVolume& volume, uint64_t offset, Bytes data,
                                      Want want) {
  if (want == Want::kFresh) SlowDown();
  std::optional<Reservation> reservation;
  BATON_RETURN_IF_ERROR(Reserve(
      {.volume_id = volume.id, .offset = offset, .length_bytes = data.size()}, want, reservation));
  if (!reservation) return false;
  // After an error the entry may be in the log, whole, though its host gets no answer. So nothing
  // may be written to the file there, not by this controller.
  const absl::Status written = WriteEntry(reservation->write, data);
  if (!written.ok()) return Fail(written);
  Finish(volume, *reservation);
  return true;
}

uint64_t WriteLog::UsedPercent() const {
  const uint64_t used = sealed_.size() + (filling_ ? 1 : 0);
  return made_ == 0 ? 100 : used * 100 / made_;
}

// The fuller the log, the slower, so that nobody meets its end at full speed.
void WriteLog::SlowDown() {
  absl::MutexLock guard(&mutex_);
  const uint64_t used = UsedPercent();
  if (used <= limits::kWriteLogSlowPercent || used >= limits::kWriteLogFullPercent) return;
  constexpr uint64_t kRange = limits::kWriteLogFullPercent - limits::kWriteLogSlowPercent;
  const uint64_t above = used - limits::kWriteLogSlowPercent;
  const absl::Duration end =
      runtime_.BootTime() +
      absl::Microseconds(limits::kWriteLogMaxDelayUs * above * above / (kRange * kRange));
  while (aborted_.ok() && runtime_.BootTime() < end) {
    runtime_.WaitUntil(room_made_, mutex_, end);
  }
}

absl::Status WriteLog::Reserve(LogWrite write, Want want, std::optional<Reservation>& reservation) {
  absl::MutexLock guard(&mutex_);
  BATON_RETURN_IF_ERROR(aborted_);
  const bool may_wait =
      want == Want::kLogged && enabled_ && write.blocks() <= options_.shape.segment_blocks;
  if (want == Want::kFresh && UsedPercent() >= limits::kWriteLogFullPercent) {
    return absl::OkStatus();
  }
  while (!FindRoom(write.blocks())) {
    if (!may_wait || (made_ == 0 && is_full_)) return absl::OkStatus();
    runtime_.Wait(room_made_, mutex_);
    BATON_RETURN_IF_ERROR(aborted_);
    BATON_RETURN_IF_ERROR(stuck_);
  }
  Segment& segment = segments_[*filling_];
  write.sequence = ++sequence_;
  write.block = options_.shape.FirstBlockOf(*filling_) + segment.used_blocks;
  last_write_ = runtime_.BootTime();
  if (segment.used_blocks == 0) {
    segment.since = last_write_;
    batch_due_.Signal();
  }
  segment.used_blocks += write.blocks();
  ++segment.in_flight;
  reservation = {*filling_, write};
  return absl::OkStatus();
}

bool WriteLog::FindRoom(uint64_t blocks) {
  if (blocks > options_.shape.segment_blocks) return false;
  if (filling_ && segments_[*filling_].used_blocks + blocks <= options_.shape.segment_blocks) {
    return true;
  }
  SealFilling();
  if (!ready_) return false;
  filling_ = std::exchange(ready_, std::nullopt);
  room_wanted_.Signal();
  return true;
}

void WriteLog::SealFilling() {
  if (!filling_) return;
  sealed_.push_back(*filling_);
  ++own_sealed_;
  filling_.reset();
  batch_due_.Signal();
  room_wanted_.Signal();
}

absl::Status WriteLog::WriteEntry(const LogWrite& write, Bytes data) {
  const BufferPool::Handle buffer = buffers_.Acquire();
  const MutableBytes entry = buffer.bytes().first(kBlockBytes + data.size());
  std::memcpy(entry.data() + kBlockBytes, data.data(), data.size());
  BATON_RETURN_IF_ERROR(options_.fence.Check());
  const bool durable = options_.durable_writes && !BATON_MUTANT(kLoggedWriteNotDurable);
  BATON_RETURN_IF_ERROR(
      Repeated(runtime_, [&] { return file_.load()->WriteEntry(write, entry, durable); }));
  return options_.fence.Check();
}

void WriteLog::IndexEntry(LoggedVolume& volume, const LogWrite& write, uint32_t file) {
  const uint64_t end = write.first_block() + write.data_blocks();
  for (uint64_t block = write.first_block(); block < end; ++block) {
    ++volume.blocks;
    if (!index_.Put(volume.id, block, {file, write.sequence, write.BlockOf(block)})) {
      --volume.blocks;
    }
  }
}

void WriteLog::Finish(LoggedVolume& volume, const Reservation& reservation) {
  IndexEntry(volume, reservation.write, own_number_);
  absl::MutexLock guard(&mutex_);
  Segment& segment = segments_[reservation.segment];
  segment.writes.push_back(reservation.write);
  if (--segment.in_flight > 0 || filling_ == reservation.segment) return;
  batch_due_.Signal();
  room_wanted_.Signal();
}

bool WriteLog::Has(const LoggedVolume& volume, uint64_t offset, uint64_t length_bytes) const {
  if (volume.blocks == 0 || length_bytes == 0) return false;
  return length_bytes > limits::kMaxRequestBytes ||
         index_.HasAny(volume.id, FirstBlock(offset), BlocksTouched(offset, length_bytes));
}

absl::Status WriteLog::Sync(const LoggedVolume& volume) {
  if (volume.blocks == 0 || BATON_MUTANT(kFlushForgetsLog)) return absl::OkStatus();
  return SyncOwn();
}

absl::Status WriteLog::SyncOwn() {
  WriteLogFile* const file = file_;
  if (file == nullptr || options_.durable_writes) return absl::OkStatus();
  const absl::Status synced = file->Sync();
  return synced.ok() ? synced : Fail(synced);
}

// ---- reads ----

const WriteLogFile& WriteLog::FileOf(uint32_t number) const {
  return number == own_number_ ? *file_.load() : *old_logs_.logs()[number].file;
}

// A place is used again only after the index has forgotten it: one that the index still has after
// the read had the content that it stands for.
absl::Status WriteLog::Read(const LoggedVolume& volume, VolumeIo& file, uint64_t offset,
                            MutableBytes out) {
  while (!out.empty()) {
    if (volume.blocks == 0) return file.Read(offset, out);
    const uint64_t block = FirstBlock(offset);
    const BlockIndex::Run run = index_.RunFrom(volume.id, block, BlocksTouched(offset, out.size()));
    const uint64_t end = std::min((block + run.blocks) * kBlockBytes, offset + out.size());
    const MutableBytes part = out.first(end - offset);
    BATON_RACE_POINT();
    if (run.place) {
      const absl::Status read = ReadLogged(*run.place, offset - block * kBlockBytes, part);
      if (index_.RunFrom(volume.id, block, run.blocks) != run &&
          !BATON_MUTANT(kLogReadNoSecondLook)) {
        continue;
      }
      BATON_RETURN_IF_ERROR(read);
      BATON_RETURN_IF_ERROR(options_.fence.Check());
    } else {
      BATON_RETURN_IF_ERROR(file.Read(offset, part));
    }
    offset = end;
    out = out.subspan(part.size());
  }
  return absl::OkStatus();
}

// `begin`: from the start of the first block on.
absl::Status WriteLog::ReadLogged(const LogPlace& place, uint64_t begin, MutableBytes out) {
  const WriteLogFile& file = FileOf(place.file);
  if (IsAligned(begin, out)) return file.Read(place.block, out);
  const BufferPool::Handle buffer = buffers_.Acquire();
  const MutableBytes blocks = buffer.bytes().first(BlocksTouched(begin, out.size()) * kBlockBytes);
  BATON_RETURN_IF_ERROR(file.Read(place.block, blocks));
  std::memcpy(out.data(), blocks.data() + begin, out.size());
  return absl::OkStatus();
}

// ---- draining ----

// Batches go in their order. So this is bounded, however hosts go on writing.
absl::Status WriteLog::WaitAllUpToNow(absl::Duration deadline) {
  absl::MutexLock guard(&mutex_);
  if (filling_ && segments_[*filling_].used_blocks > 0) SealFilling();
  const uint64_t last = sealed_batches();
  ++waiting_;
  batch_due_.Signal();
  while (aborted_.ok() && stuck_.ok() && freed_batches() < last && runtime_.BootTime() < deadline) {
    runtime_.WaitUntil(drained_, mutex_, deadline);
  }
  --waiting_;
  BATON_RETURN_IF_ERROR(aborted_);
  if (freed_batches() >= last) return absl::OkStatus();
  return stuck_.ok() ? absl::DeadlineExceededError("draining takes longer") : stuck_;
}

absl::Status WriteLog::WaitDrained(const LoggedVolume& volume, uint64_t offset,
                                   uint64_t length_bytes) {
  return Has(volume, offset, length_bytes) ? WaitAllUpToNow(absl::InfiniteDuration())
                                           : absl::OkStatus();
}

absl::Status WriteLog::WaitDrained(const LoggedVolume& volume) {
  return volume.blocks > 0 ? WaitAllUpToNow(absl::InfiniteDuration()) : absl::OkStatus();
}

uint64_t WriteLog::blocks() const {
  absl::MutexLock guard(&mutex_);
  return LoggedBlocks();
}

uint64_t WriteLog::LoggedBlocks() const {
  uint64_t blocks = 0;
  for (const auto& [id, volume] : volumes_) blocks += volume->blocks;
  return blocks;
}

absl::Status WriteLog::WaitAllDrained(absl::Duration at_most) {
  return WaitAllUpToNow(runtime_.BootTime() + at_most);
}

std::optional<WriteLog::Batch> WriteLog::Take() {
  absl::MutexLock guard(&mutex_);
  while (!stopping_ && aborted_.ok()) {
    const absl::Duration now = runtime_.BootTime();
    if (IsDue(now)) return OldestBatch();
    if (now < DueTime()) {
      runtime_.WaitUntil(batch_due_, mutex_, DueTime());
    } else {
      runtime_.Wait(batch_due_, mutex_);
    }
  }
  return std::nullopt;
}

bool WriteLog::IsDue(absl::Duration now) {
  if (old_drained_ < own_number_) return true;
  if (now < DueTime()) return false;
  if (sealed_.empty()) SealFilling();
  return segments_[sealed_.front()].in_flight == 0;
}

WriteLog::Batch WriteLog::OldestBatch() {
  if (old_drained_ < own_number_) {
    return {old_drained_, std::nullopt, old_logs_.logs()[old_drained_].writes, waiting_ > 0};
  }
  draining_own_ = true;
  const uint64_t segment = sealed_.front();
  const bool is_urgent = waiting_ > 0 || UsedPercent() > limits::kWriteLogSlowPercent;
  return {own_number_, segment, segments_[segment].writes, is_urgent};
}

// Whoever writes again to what is logged saves a copy, and does not compete with the drain.
absl::Duration WriteLog::DueTime() const {
  if (!sealed_.empty() &&
      (waiting_ > 0 || sealed_.size() * 100 > limits::kWriteLogKeepPercent * made_)) {
    return absl::ZeroDuration();
  }
  const std::optional<uint64_t> oldest = sealed_.empty() ? filling_ : sealed_.front();
  if (!oldest || segments_[*oldest].used_blocks == 0) return absl::InfiniteDuration();
  return std::min(last_write_ + absl::Milliseconds(limits::kWriteLogIdleMs),
                  segments_[*oldest].since + absl::Milliseconds(limits::kWriteLogMaxAgeMs));
}

bool WriteLog::IsNewest(const Batch& batch, const LogWrite& write, uint64_t block) const {
  const std::optional<LogPlace> place = index_.Find(write.volume_id, block);
  return place == LogPlace{batch.file, write.sequence, write.BlockOf(block)};
}

absl::Status WriteLog::ReadData(const Batch& batch, const LogWrite& write, uint64_t block,
                                MutableBytes out) const {
  return FileOf(batch.file).Read(write.BlockOf(block), out);
}

// Newer writes to the blocks of the batch may be acknowledged and only cached: with the batch goes
// what a host had flushed before them.
absl::Status WriteLog::Free(const Batch& batch) {
  if (BATON_MUTANT(kForgetBeforeFree)) EraseEntries(batch);
  if (!BATON_MUTANT(kFreedBeforeNewerIsDurable)) BATON_RETURN_IF_ERROR(SyncOwn());
  BATON_RETURN_IF_ERROR(options_.fence.Check());
  std::unique_ptr<File> removed;
  if (batch.segment) {
    BATON_RETURN_IF_ERROR(WriteRecord({.segment = *batch.segment,
                                       .first_sequence = 0,
                                       .meta_sequence = options_.meta_sequence()}));
  } else {
    BATON_ASSIGN_OR_RETURN(removed, old_logs_.Remove(old_logs_.logs()[batch.file]));
  }
  EraseEntries(batch);
  NoteFreed(batch);
  // Reads have it open. Its space would go with the end of the process, and hosts would wait for
  // that. Whoever reads it now will look again, and find that the index has forgotten it. A later
  // owner has not opened it, if there was none when the name was gone.
  if (removed != nullptr && options_.fence.Check().ok()) (void)removed->Truncate(0);
  return absl::OkStatus();
}

void WriteLog::NoteFreed(const Batch& batch) {
  absl::MutexLock guard(&mutex_);
  if (batch.segment) {
    Segment& segment = segments_[*batch.segment];
    segment.is_free = true;
    segment.is_listed = false;
    segment.used_blocks = 0;
    segment.writes.clear();
    sealed_.pop_front();
    draining_own_ = false;
  } else {
    ++old_drained_;
  }
  room_wanted_.Signal();
  drained_.SignalAll();
}

void WriteLog::EraseEntries(const Batch& batch) {
  for (const LogWrite& write : batch.writes) {
    LoggedVolume& volume = VolumeOf(write.volume_id);
    const uint64_t end = write.first_block() + write.data_blocks();
    for (uint64_t block = write.first_block(); block < end; ++block) {
      const LogPlace place = {batch.file, write.sequence, write.BlockOf(block)};
      if (index_.Erase(write.volume_id, block, place)) --volume.blocks;
    }
  }
}

void WriteLog::SetStuck(const absl::Status& why) {
  absl::MutexLock guard(&mutex_);
  stuck_ = why;
  drained_.SignalAll();
  room_made_.SignalAll();
}

absl::Status WriteLog::GoOn() const {
  absl::MutexLock guard(&mutex_);
  return stopping_ ? absl::AbortedError("the write log has stopped") : aborted_;
}

absl::Status WriteLog::DropOwnFile() {
  if (own_ == nullptr) return absl::OkStatus();
  BATON_RETURN_IF_ERROR(options_.fence.Check());
  return DropLog(options_.storage, options_.epoch);
}

}  // namespace baton
