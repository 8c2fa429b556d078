#include "tests/sim/sim_file.h"

#include <algorithm>
#include <cerrno>

#include "engine/base/errno_status.h"
#include "engine/base/status.h"

namespace baton::sim {
namespace {

uint64_t Sectors(uint64_t bytes) { return (bytes + kSectorBytes - 1) / kSectorBytes; }

}  // namespace

SimFile::SimFile(SimStorage& storage, NodePtr node, std::string path, OpenOptions options)
    : storage_(storage),
      steps_(storage.steps_),
      node_(std::move(node)),
      path_(std::move(path)),
      options_(options),
      alignment_(options.direct ? storage.options_.direct_alignment : IoAlignment{}),
      boot_(steps_.boot()) {}

absl::Status SimFile::CheckAligned(uint64_t offset, Bytes data) const {
  const auto address = reinterpret_cast<uintptr_t>(data.data());
  if (offset % alignment_.offset_bytes == 0 && data.size() % alignment_.offset_bytes == 0 &&
      address % alignment_.memory_bytes == 0) {
    return absl::OkStatus();
  }
  return ErrnoStatus(EINVAL, "direct I/O, not aligned, of", path_);
}

absl::Status SimFile::CheckWritable(const char* operation) const {
  return options_.read_only ? ErrnoStatus(EBADF, operation, path_) : absl::OkStatus();
}

absl::Status SimFile::Read(uint64_t offset, MutableBytes out) const {
  BATON_RETURN_IF_ERROR(CheckAligned(offset, out));
  const Operation operation = {OperationKind::kRead, path_, offset, out.size()};
  const Steps::Flight flight = steps_.Begin(operation, boot_);
  if (!flight.status.ok()) return flight.status;
  uint64_t done = 0;
  // Now and then torn: the rest is read later.
  if (out.size() > kSectorBytes && steps_.random().OneIn(4)) {
    done = steps_.random().Below(Sectors(out.size())) * kSectorBytes;
    node_->content.Read(offset, out.first(done));
    steps_.Pause(flight);
  }
  node_->content.Read(offset + done, out.subspan(done));
  return steps_.End(operation, flight);
}

absl::Status SimFile::Write(uint64_t offset, Bytes data, WriteMode mode) {
  WriteInFlight write(*this, offset, data, mode);
  BATON_RETURN_IF_ERROR(write.Check());
  write.Issue();
  write.TakeEffect();
  return write.Finish();
}

absl::Status SimFile::Sync() {
  const std::vector<Content::ChangeId> covered = node_->content.Completed();
  const Operation operation = {OperationKind::kSync, path_};
  const Steps::Flight flight = steps_.Begin(operation, boot_);
  const absl::Status end = steps_.End(operation, flight);
  if (end.ok()) {
    node_->content.MakeDurable(covered);
  } else if (steps_.CheckAlive(boot_).ok()) {
    node_->content.Doom(covered);
  }
  return end;
}

template <typename Effect>
absl::Status SimFile::ChangeContent(const Operation& operation, Effect effect) {
  BATON_RETURN_IF_ERROR(CheckWritable("change"));
  const Steps::Flight flight = steps_.Begin(operation, boot_);
  absl::StatusOr<Content::ChangeId> change = Content::ChangeId{0};
  if (flight.fate != Steps::Fate::kNothing) change = effect();
  BATON_RETURN_IF_ERROR(steps_.End(operation, flight));
  if (change.ok()) node_->content.Complete(*change);
  return change.status();
}

absl::Status SimFile::PunchHole(uint64_t offset, uint64_t length_bytes) {
  return ChangeContent({OperationKind::kPunchHole, path_, offset, length_bytes},
                       [&]() -> absl::StatusOr<Content::ChangeId> {
                         return node_->content.Punch(offset, length_bytes);
                       });
}

absl::Status SimFile::ZeroRange(uint64_t offset, uint64_t length_bytes) {
  return ChangeContent({OperationKind::kZeroRange, path_, offset, length_bytes},
                       [&]() -> absl::StatusOr<Content::ChangeId> {
                         if (FittingBytes(offset, length_bytes) < length_bytes) {
                           return ErrnoStatus(ENOSPC, "zero a range of", path_);
                         }
                         return node_->content.Write(offset, std::vector<std::byte>(length_bytes),
                                                     false);
                       });
}

absl::Status SimFile::Allocate(uint64_t offset, uint64_t length_bytes) {
  return ChangeContent({OperationKind::kAllocate, path_, offset, length_bytes},
                       [&]() -> absl::StatusOr<Content::ChangeId> {
                         if (FittingBytes(offset, length_bytes) < length_bytes) {
                           return ErrnoStatus(ENOSPC, "allocate", path_);
                         }
                         return node_->content.Reserve(offset, length_bytes);
                       });
}

absl::Status SimFile::Truncate(uint64_t size_bytes) {
  return ChangeContent(
      {OperationKind::kTruncate, path_, size_bytes, 0},
      [&]() -> absl::StatusOr<Content::ChangeId> { return node_->content.Resize(size_bytes); });
}

absl::Status SimFile::Grow(uint64_t size_bytes) {
  return ChangeContent(
      {OperationKind::kTruncate, path_, size_bytes, 0}, [&]() -> absl::StatusOr<Content::ChangeId> {
        return node_->content.Resize(std::max(size_bytes, node_->content.size_bytes()));
      });
}

uint64_t SimFile::FittingBytes(uint64_t offset, uint64_t length_bytes) const {
  const Pages& pages = node_->content.pages();
  uint64_t missing = pages.Missing(offset, length_bytes);
  if (missing == 0) return length_bytes;
  const uint64_t used = storage_.UsedBytes();
  const uint64_t capacity = storage_.options_.capacity_bytes;
  uint64_t left = capacity > used ? (capacity - used) / Pages::kPageBytes : 0;
  uint64_t page = offset / Pages::kPageBytes;
  for (; missing > 0; ++page) {
    if (pages.Has(page)) continue;
    if (left == 0) return std::max(page * Pages::kPageBytes, offset) - offset;
    --left;
    --missing;
  }
  return length_bytes;
}

absl::StatusOr<uint64_t> SimFile::SizeBytes() const {
  BATON_RETURN_IF_ERROR(steps_.CheckAlive(boot_));
  return node_->content.size_bytes();
}

absl::StatusOr<uint64_t> SimFile::AllocatedBytes() const {
  BATON_RETURN_IF_ERROR(steps_.CheckAlive(boot_));
  return node_->content.pages().allocated_bytes();
}

absl::StatusOr<std::optional<DataRange>> SimFile::NextData(uint64_t offset) const {
  BATON_RETURN_IF_ERROR(steps_.CheckAlive(boot_));
  const Pages& pages = node_->content.pages();
  const uint64_t size = node_->content.size_bytes();
  uint64_t page = offset / Pages::kPageBytes;
  while (page < pages.end_page() && !pages.Has(page)) ++page;
  const uint64_t begin = std::max(page * Pages::kPageBytes, offset);
  if (page >= pages.end_page() || begin >= size) return std::nullopt;
  while (pages.Has(page)) ++page;
  return DataRange{begin, std::min(page * Pages::kPageBytes, size)};
}

// ---- writes ----

WriteInFlight::WriteInFlight(SimFile& file, uint64_t offset, Bytes data, WriteMode mode)
    : file_(file),
      offset_(offset),
      data_(data),
      mode_(mode),
      operation_{OperationKind::kWrite, file.path_, offset, data.size()} {}

absl::Status WriteInFlight::Check() const {
  BATON_RETURN_IF_ERROR(file_.CheckWritable("write"));
  return file_.CheckAligned(offset_, data_);
}

void WriteInFlight::Issue() { flight_ = file_.steps_.Begin(operation_, file_.boot_); }

void WriteInFlight::Apply(uint64_t begin, uint64_t end) {
  if (begin == end) return;
  changes_[change_count_++] = file_.node_->content.Write(
      offset_ + begin, data_.subspan(begin, end - begin), file_.options_.direct);
}

void WriteInFlight::TakeEffect() {
  Steps& steps = file_.steps_;
  steps.Recheck(flight_);
  uint64_t length = flight_.fate == Steps::Fate::kNothing ? 0 : data_.size();
  if (flight_.fate == Steps::Fate::kPart) {
    length = steps.random().Below(Sectors(length) + 1) * kSectorBytes;
    length = std::min<uint64_t>(length, data_.size());
  }
  if (const uint64_t fitting = file_.FittingBytes(offset_, length); fitting < length) {
    length = fitting;
    flight_.status.Update(ErrnoStatus(ENOSPC, "write", file_.path_));
  }
  uint64_t cut = 0;
  if (length > kSectorBytes && flight_.status.ok() && steps.random().OneIn(2)) {
    // The sectors before `cut` are in place earlier than the others, for all to see.
    cut = steps.random().Below(Sectors(length)) * kSectorBytes;
    Apply(0, cut);
    if (!steps.Pause(flight_)) return;
  }
  Apply(cut, length);
}

absl::Status WriteInFlight::Finish() {
  const absl::Status end = file_.steps_.End(operation_, flight_);
  if (!end.ok()) return end;
  for (size_t i = 0; i < change_count_; ++i) {
    file_.node_->content.Complete(changes_[i]);
    if (mode_ == WriteMode::kDurable) file_.node_->content.MakeDurable(changes_[i]);
  }
  return end;
}

}  // namespace baton::sim
