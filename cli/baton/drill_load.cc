#include "cli/baton/drill_load.h"

#include <absl/time/clock.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "engine/base/boot_time.h"
#include "engine/base/errno_status.h"
#include "engine/base/limits.h"
#include "engine/base/signals_blocked.h"
#include "engine/base/status.h"

namespace baton {
namespace {

constexpr uint64_t kLongestRequest = 64 * limits::kKiB;
constexpr uint64_t kChunkBytes = limits::kMaxRequestBytes;
// So that others hardly notice the drill.
constexpr absl::Duration kPause = absl::Milliseconds(4);
// Most requests go to so small a part of the volume, so that the clone is not copied by them alone.
constexpr uint64_t kHotPart = 8;

// SplitMix64: each word by its place.
uint64_t WordAt(uint64_t seed, uint64_t index) {
  uint64_t z = seed + (index + 1) * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// What the volume holds at T0 from `offset` on.
void FillAsAtT0(uint64_t seed, uint64_t offset, std::span<std::byte> out) {
  for (uint64_t done = 0; done < out.size();) {
    const uint64_t at = offset + done;
    const uint64_t word = WordAt(seed, at / sizeof(uint64_t));
    const uint64_t skip = at % sizeof(word);
    const uint64_t length = std::min<uint64_t>(sizeof(word) - skip, out.size() - done);
    std::memcpy(&out[done], reinterpret_cast<const std::byte*>(&word) + skip, length);
    done += length;
  }
}

absl::Status GivenUp() { return Error(absl::StatusCode::kCancelled, "interrupted"); }

}  // namespace

absl::StatusOr<DrillLoad::OpenFile> DrillLoad::OpenVolume(const std::string& path, int flags) {
  OpenFile file{.fd = UniqueFd(::open(path.c_str(), flags | O_CLOEXEC)), .path = path};
  if (file.fd.valid()) return file;
  return Error(absl::StatusCode::kFailedPrecondition, "{}",
               Message(ErrnoStatus(errno, "open", path)));
}

absl::StatusOr<std::unique_ptr<DrillLoad>> DrillLoad::Open(const std::string& source,
                                                           uint64_t size_bytes, uint64_t seed) {
  BATON_ASSIGN_OR_RETURN(OpenFile file, OpenVolume(source, O_RDWR));
  return std::unique_ptr<DrillLoad>(new DrillLoad(std::move(file), size_bytes, seed));
}

DrillLoad::DrillLoad(OpenFile source, uint64_t size_bytes, uint64_t seed)
    : source_(std::move(source)),
      size_bytes_(size_bytes),
      seed_(seed),
      model_(size_bytes),
      buffer_(kChunkBytes),
      expected_(kChunkBytes),
      random_(seed) {
  FillAsAtT0(seed_, 0, model_);
}

DrillLoad::~DrillLoad() { Stop(); }

absl::Status DrillLoad::Fill(const Progress& progress) {
  for (uint64_t offset = 0; offset < size_bytes_; offset += kChunkBytes) {
    const uint64_t length = std::min(kChunkBytes, size_bytes_ - offset);
    BATON_RETURN_IF_ERROR(
        Transfer(Kind::kWrite, source_, offset, std::span(model_).subspan(offset, length)));
    if (!progress(offset + length, size_bytes_)) return GivenUp();
  }
  if (::fsync(source_.fd.get()) != 0) return ErrnoStatus(errno, "sync", source_.path);
  TakeLongest();
  return absl::OkStatus();
}

absl::Status DrillLoad::Start(const std::string& target) {
  BATON_ASSIGN_OR_RETURN(target_, OpenVolume(target, O_RDONLY));
  const SignalsBlocked blocked;
  thread_ = std::thread([this] { Work(); });
  return absl::OkStatus();
}

void DrillLoad::Stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
  source_.fd = UniqueFd();
  target_.fd = UniqueFd();
}

void DrillLoad::Work() {
  while (!stopping_) {
    {
      const absl::MutexLock lock(&mutex_);
      failure_.Update(Act());
      if (!failure_.ok()) return;
    }
    absl::SleepFor(kPause);
  }
}

// Half of the requests overlap the one before; most begin and end within a block.
absl::Status DrillLoad::Act() {
  const uint64_t blocks = kLongestRequest / limits::kBlockBytes;
  const bool is_aligned = Draw(4) == 0;
  const uint64_t length =
      is_aligned ? (1 + Draw(blocks)) * limits::kBlockBytes : 1 + Draw(kLongestRequest);
  const uint64_t room = size_bytes_ - std::min(size_bytes_, length);
  uint64_t offset = Draw((Draw(8) == 0 ? room : room / kHotPart) + 1);
  if (Draw(2) == 0) offset = std::min(room, last_offset_ + Draw(length));
  if (is_aligned) offset -= offset % limits::kBlockBytes;
  last_offset_ = offset;
  const uint64_t fits = std::min(length, size_bytes_ - offset);
  switch (Draw(4)) {
    case 0:
      return CheckSource(offset, fits);
    case 1:
      return CheckTarget(offset, fits);
    default:
      return WriteSource(offset, fits);
  }
}

absl::Status DrillLoad::WriteSource(uint64_t offset, uint64_t length) {
  const std::span<std::byte> place = std::span(model_).subspan(offset, length);
  for (std::byte& byte : place) byte = static_cast<std::byte>(random_());
  return Transfer(Kind::kWrite, source_, offset, place);
}

absl::Status DrillLoad::CheckSource(uint64_t offset, uint64_t length) {
  return CheckBytes(source_, offset, std::span(model_).subspan(offset, length));
}

absl::Status DrillLoad::CheckTarget(uint64_t offset, uint64_t length) {
  const std::span<std::byte> expected = std::span(expected_).first(length);
  FillAsAtT0(seed_, offset, expected);
  return CheckBytes(target_, offset, expected);
}

absl::Status DrillLoad::CheckBytes(const OpenFile& file, uint64_t offset,
                                   std::span<const std::byte> expected) {
  const std::span<std::byte> found = std::span(buffer_).first(expected.size());
  BATON_RETURN_IF_ERROR(Transfer(Kind::kRead, file, offset, found));
  const auto [at, _] = std::mismatch(found.begin(), found.end(), expected.begin());
  if (at == found.end()) return absl::OkStatus();
  return Error(absl::StatusCode::kDataLoss, "byte {} of {} is not {}",
               offset + static_cast<uint64_t>(at - found.begin()), file.path,
               &file == &target_ ? "as at T0" : "what was written");
}

absl::Status DrillLoad::Compare(const Progress& progress) {
  const absl::MutexLock lock(&mutex_);
  BATON_RETURN_IF_ERROR(failure_);
  for (uint64_t offset = 0; offset < size_bytes_; offset += kChunkBytes) {
    const uint64_t length = std::min(kChunkBytes, size_bytes_ - offset);
    BATON_RETURN_IF_ERROR(CheckSource(offset, length));
    BATON_RETURN_IF_ERROR(CheckTarget(offset, length));
    if (!progress(2 * (offset + length), 2 * size_bytes_)) return GivenUp();
  }
  return absl::OkStatus();
}

absl::Duration DrillLoad::TakeLongest() {
  const absl::MutexLock lock(&time_mutex_);
  const absl::Duration now = std::max(BootTime() - began_, absl::ZeroDuration());
  return std::max(std::exchange(longest_, absl::ZeroDuration()), now);
}

absl::Status DrillLoad::Transfer(Kind kind, const OpenFile& file, uint64_t offset,
                                 std::span<std::byte> data) {
  const absl::Duration began = BootTime();
  {
    const absl::MutexLock lock(&time_mutex_);
    began_ = began;
  }
  absl::Status status;
  for (uint64_t done = 0; done < data.size() && status.ok();) {
    const auto at = static_cast<off_t>(offset + done);
    const ssize_t count = kind == Kind::kWrite
                              ? ::pwrite(file.fd.get(), &data[done], data.size() - done, at)
                              : ::pread(file.fd.get(), &data[done], data.size() - done, at);
    if (count > 0) done += static_cast<uint64_t>(count);
    if (count == 0) status = Error(absl::StatusCode::kDataLoss, "{} has become shorter", file.path);
    if (count < 0 && errno != EINTR) {
      status = ErrnoStatus(errno, kind == Kind::kWrite ? "write" : "read", file.path);
    }
  }
  ++(kind == Kind::kWrite ? writes_ : reads_);
  const absl::MutexLock lock(&time_mutex_);
  longest_ = std::max(longest_, BootTime() - began);
  began_ = absl::InfiniteDuration();
  return status;
}

}  // namespace baton
