#include "engine/clone/redirect.h"

#include <algorithm>
#include <utility>

#include "engine/base/mutant.h"
#include "engine/base/status.h"

namespace baton {
namespace {

using limits::kBlockBytes;

ByteRange BlocksAround(uint64_t offset, uint64_t length_bytes) {
  return {offset / kBlockBytes * kBlockBytes,
          (offset + length_bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes};
}

}  // namespace

void Redirect::AddRun(std::shared_ptr<CloneRun> run) {
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
  return log_.Read(logged_, next, offset, out);
}

absl::Status Redirect::Write(VolumeIo& next, uint64_t offset, Bytes data) {
  BATON_RETURN_IF_ERROR(log_.Check());
  if (data.empty() || IsIdle()) return next.Write(offset, data);
  BATON_ASSIGN_OR_RETURN(const bool is_done, WriteShared(next, offset, data));
  if (is_done) return absl::OkStatus();
  const RangeLock::Hold hold(lock_, BlocksAround(offset, data.size()), RangeLock::Mode::kExclusive);
  BATON_RETURN_IF_ERROR(log_.WaitDrained(logged_, offset, data.size()));
  return next.Write(offset, data);
}

// False: nothing was done, because the range is to be drained first.
absl::StatusOr<bool> Redirect::WriteShared(VolumeIo& next, uint64_t offset, Bytes data) {
  const RangeLock::Hold hold(lock_, BlocksAround(offset, data.size()), RangeLock::Mode::kShared);
  BATON_ASSIGN_OR_RETURN(const Way way, WayOf(offset, data));
  if (way == Way::kDrained) return false;
  if (way == Way::kLog || way == Way::kLogOnly) {
    const WriteLog::Want want = way == Way::kLog ? WriteLog::Want::kFresh : WriteLog::Want::kLogged;
    BATON_ASSIGN_OR_RETURN(const bool is_logged, log_.Append(logged_, offset, data, want));
    if (is_logged || way == Way::kLogOnly) return is_logged;
  }
  BATON_RETURN_IF_ERROR(next.Write(offset, data));
  return true;
}

absl::StatusOr<Redirect::Way> Redirect::WayOf(uint64_t offset, Bytes data) const {
  const bool is_logged =
      log_.Has(logged_, offset, data.size()) && !BATON_MUTANT(kPlainWriteOvertakesLogged);
  if (!is_logged && !IsPending(offset, data.size())) return Way::kFile;
  const bool is_fit = offset % kBlockBytes == 0 && data.size() % kBlockBytes == 0 &&
                      data.size() <= limits::kMaxLoggedBytes;
  const Way otherwise = is_logged ? Way::kDrained : Way::kFile;
  if (!is_fit || (!is_logged && !MayLog())) return otherwise;
  BATON_ASSIGN_OR_RETURN(const bool has_space, HasSpace(offset, data.size()));
  if (!has_space) return otherwise;
  return is_logged ? Way::kLogOnly : Way::kLog;
}

absl::Status Redirect::Flush(VolumeIo& next) {
  BATON_RETURN_IF_ERROR(log_.Sync(logged_));
  return next.Flush();
}

absl::Status Redirect::Discard(VolumeIo& next, uint64_t offset, uint64_t length_bytes) {
  BATON_RETURN_IF_ERROR(log_.Check());
  if (length_bytes == 0 || IsIdle()) return next.Discard(offset, length_bytes);
  const RangeLock::Hold hold(lock_, BlocksAround(offset, length_bytes),
                             RangeLock::Mode::kExclusive);
  if (!BATON_MUTANT(kDiscardOvertakesLogged)) {
    BATON_RETURN_IF_ERROR(log_.WaitDrained(logged_, offset, length_bytes));
  }
  return next.Discard(offset, length_bytes);
}

// Nothing is in the log, and nothing will be while this write is under way: a clone takes its T0
// with writes kept away.
bool Redirect::IsIdle() const {
  if (logged_.blocks > 0) return false;
  absl::ReaderMutexLock guard(&mutex_);
  return std::none_of(runs_.begin(), runs_.end(), [](const std::shared_ptr<CloneRun>& run) {
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
absl::StatusOr<bool> Redirect::HasSpace(uint64_t offset, uint64_t length_bytes) const {
  BATON_ASSIGN_OR_RETURN(const std::optional<DataRange> data, volume_->file->NextData(offset));
  return data && data->begin <= offset && data->end >= offset + length_bytes;
}

}  // namespace baton
