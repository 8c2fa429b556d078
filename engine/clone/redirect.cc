#include "engine/clone/redirect.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/base/host_request.h"
#include "engine/base/mutant.h"
#include "engine/base/race_point.h"
#include "engine/base/status.h"

namespace baton {
namespace {

using limits::kBlockBytes;

// For as long as a write may come to be logged.
class Counted {
 public:
  Counted(std::atomic<uint64_t>& begun, std::atomic<uint64_t>& ended) : ended_(ended) { ++begun; }
  ~Counted() { ++ended_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  std::atomic<uint64_t>& ended_;
};

ByteRange BlocksAround(uint64_t offset, uint64_t length_bytes) {
  return {offset / kBlockBytes * kBlockBytes,
          (offset + length_bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes};
}

}  // namespace

void Redirect::AddRun(std::shared_ptr<CloneRun> run) {
  known_data_.Forget();  // without a run the file may be emptied past this plugin
  absl::MutexLock guard(&mutex_);
  runs_.push_back(std::move(run));
}

void Redirect::RemoveRun(const CloneRun& run) {
  absl::MutexLock guard(&mutex_);
  std::erase_if(runs_, [&run](const std::shared_ptr<CloneRun>& r) { return r.get() == &run; });
}

std::vector<std::shared_ptr<CloneRun>> Redirect::Runs() const {
  absl::ReaderMutexLock guard(&mutex_);
  return runs_;
}

absl::Status Redirect::Read(VolumeIo& next, uint64_t offset, MutableBytes out) {
  HostRequest::NoteStorage();
  return log_.Read(logged_, next, offset, out);
}

absl::Status Redirect::Write(VolumeIo& next, uint64_t offset, Bytes data) {
  BATON_RETURN_IF_ERROR(log_.Check());
  if (data.empty() || IsIdle()) return next.Write(offset, data);
  const Counted counted(begun_, ended_);
  const absl::Duration begin = runtime_.BootTime();
  BATON_ASSIGN_OR_RETURN(Way way, WriteShared(next, offset, data));
  if (way == Way::kAlone) {
    BATON_ASSIGN_OR_RETURN(way, WriteAlone(next, offset, data));
  }
  if (way == Way::kPreserve) first_writes_.NotePreserved(runtime_.BootTime() - begin);
  if (way == Way::kLog || way == Way::kLogOnly) {
    first_writes_.NoteLogged(runtime_.BootTime() - begin);
  }
  return absl::OkStatus();
}

// Returns the way that it went.
absl::StatusOr<Redirect::Way> Redirect::WriteAlone(VolumeIo& next, uint64_t offset, Bytes data) {
  const RangeLock::Hold hold(lock_, BlocksAround(offset, data.size()), RangeLock::Mode::kExclusive);
  {
    const HostRequest::Spending logging(runtime_, Spent::kLog);
    BATON_ASSIGN_OR_RETURN(const bool is_logged, LogMerged(next, offset, data));
    if (is_logged) return Way::kLogOnly;
    BATON_RETURN_IF_ERROR(log_.WaitDrained(logged_, offset, data.size()));
  }
  BATON_RETURN_IF_ERROR(next.Write(offset, data));
  return Way::kFile;
}

// False: the log has nothing of the range, or has no room for all of it.
absl::StatusOr<bool> Redirect::LogMerged(VolumeIo& next, uint64_t offset, Bytes data) {
  if (!log_.Has(logged_, offset, data.size())) return false;
  const ByteRange blocks = BlocksAround(offset, data.size());
  BATON_ASSIGN_OR_RETURN(const bool has_space, HasSpace(blocks.begin, blocks.end - blocks.begin));
  if (!has_space) return false;
  for (ByteRange piece = {blocks.begin, blocks.begin}; piece.end < blocks.end;) {
    piece = {piece.end, std::min(piece.end + limits::kMaxLoggedBytes, blocks.end)};
    BATON_ASSIGN_OR_RETURN(const bool is_logged, LogPiece(next, piece, offset, data));
    if (!is_logged) return false;
  }
  return true;
}

// The write's part of `piece`, and what its blocks have before and behind that.
absl::StatusOr<bool> Redirect::LogPiece(VolumeIo& next, ByteRange piece, uint64_t offset,
                                        Bytes data) {
  const uint64_t begin = std::max(piece.begin, offset);
  const uint64_t end = std::min(piece.end, offset + data.size());
  const BufferPool::Handle buffer = merge_buffers_.Acquire();
  const MutableBytes merged = buffer.bytes().first(piece.end - piece.begin);
  BATON_RETURN_IF_ERROR(log_.Read(logged_, next, piece.begin, merged.first(begin - piece.begin)));
  BATON_RETURN_IF_ERROR(log_.Read(logged_, next, end, merged.last(piece.end - end)));
  std::memcpy(merged.data() + (begin - piece.begin), data.data() + (begin - offset), end - begin);
  BATON_RACE_POINT();
  return log_.Append(logged_, piece.begin, merged, WriteLog::Want::kLogged);
}

// Returns the way that it went; kAlone: nothing was done.
absl::StatusOr<Redirect::Way> Redirect::WriteShared(VolumeIo& next, uint64_t offset, Bytes data) {
  const RangeLock::Hold hold(lock_, BlocksAround(offset, data.size()), RangeLock::Mode::kShared);
  BATON_ASSIGN_OR_RETURN(const Way way, WayOf(offset, data));
  if (way == Way::kAlone) return way;
  if (way == Way::kLog || way == Way::kLogOnly) {
    const WriteLog::Want want = way == Way::kLog ? WriteLog::Want::kFresh : WriteLog::Want::kLogged;
    const HostRequest::Spending logging(runtime_, Spent::kLog);
    BATON_ASSIGN_OR_RETURN(const bool is_logged, log_.Append(logged_, offset, data, want));
    if (is_logged) return way;
    if (way == Way::kLogOnly) return Way::kAlone;
  }
  BATON_RETURN_IF_ERROR(next.Write(offset, data));
  return way == Way::kLog ? Way::kPreserve : way;
}

absl::StatusOr<Redirect::Way> Redirect::WayOf(uint64_t offset, Bytes data) {
  const bool is_logged =
      log_.Has(logged_, offset, data.size()) && !BATON_MUTANT(kPlainWriteOvertakesLogged);
  if (!is_logged && !IsPending(offset, data.size())) return Way::kFile;
  const bool is_fit = offset % kBlockBytes == 0 && data.size() % kBlockBytes == 0 &&
                      data.size() <= limits::kMaxLoggedBytes;
  const Way otherwise = is_logged ? Way::kAlone : Way::kPreserve;
  if (!is_fit || (!is_logged && !MayLog())) return otherwise;
  BATON_ASSIGN_OR_RETURN(const bool has_space, HasSpace(offset, data.size()));
  if (!has_space) return otherwise;
  return is_logged ? Way::kLogOnly : Way::kLog;
}

absl::Status Redirect::Flush(VolumeIo& next) {
  HostRequest::NoteStorage();
  BATON_RETURN_IF_ERROR(log_.Sync(logged_));
  return next.Flush();
}

absl::Status Redirect::Discard(VolumeIo& next, uint64_t offset, uint64_t length_bytes) {
  BATON_RETURN_IF_ERROR(log_.Check());
  const KnownData::Discard discard(known_data_);
  if (length_bytes == 0 || IsIdle()) return next.Discard(offset, length_bytes);
  const RangeLock::Hold hold(lock_, BlocksAround(offset, length_bytes),
                             RangeLock::Mode::kExclusive);
  if (!BATON_MUTANT(kDiscardOvertakesLogged)) {
    const HostRequest::Spending draining(runtime_, Spent::kLog);
    BATON_RETURN_IF_ERROR(log_.WaitDrained(logged_, offset, length_bytes));
  }
  return next.Discard(offset, length_bytes);
}

// Nothing is in the log, and nothing will be while this write is under way. A clone takes its T0
// with writes kept away. And no other write that may come to be logged was under way at any moment
// of the look at log and runs: as many had ended before it as had begun when it was over. One that
// had read a block to merge it, or was still being logged, would be newer than what goes to the
// file meanwhile. One that begins later finds neither content nor a run.
bool Redirect::IsIdle() const {
  const uint64_t ended = ended_;
  if (logged_.blocks > 0 || IsAnyActive()) return false;
  BATON_RACE_POINT();
  return BATON_MUTANT(kMergeIsOvertaken) ? begun_ == ended_ : begun_ == ended;
}

bool Redirect::IsAnyActive() const {
  absl::ReaderMutexLock guard(&mutex_);
  return std::any_of(runs_.begin(), runs_.end(), [](const std::shared_ptr<CloneRun>& run) {
    return run->phase() == CloneRun::Phase::kActive;
  });
}

bool Redirect::IsPending(uint64_t offset, uint64_t length_bytes) const {
  absl::ReaderMutexLock guard(&mutex_);
  return std::any_of(runs_.begin(), runs_.end(), [&](const std::shared_ptr<CloneRun>& run) {
    return run->IsPending(offset, length_bytes);
  });
}

bool Redirect::MayLog() const {
  absl::ReaderMutexLock guard(&mutex_);
  return std::none_of(runs_.begin(), runs_.end(), [](const std::shared_ptr<CloneRun>& run) {
    return run->fails_writes() && run->phase() == CloneRun::Phase::kActive;
  });
}

// A write to a hole of the file could find the storage full after it was acknowledged. And what
// hosts look for as data must be data in the file.
absl::StatusOr<bool> Redirect::HasSpace(uint64_t offset, uint64_t length_bytes) {
  if (known_data_.Covers(offset, offset + length_bytes)) return true;
  const uint64_t age = known_data_.Age();
  BATON_ASSIGN_OR_RETURN(const std::optional<DataRange> data, volume_->file->NextData(offset));
  if (data) known_data_.Add(*data, age);
  return data && data->begin <= offset && data->end >= offset + length_bytes;
}

}  // namespace baton
