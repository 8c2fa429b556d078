#include "tests/fs/fake_volumes.h"

#include <absl/time/clock.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "engine/base/errno_status.h"
#include "engine/base/host_request.h"
#include "engine/base/status.h"
#include "engine/base/system_runtime.h"

namespace baton::fs {
namespace {

constexpr uint64_t kPage = 4096;

// Never destroyed: a process that was forked has none of its threads.
const Runtime& BootClock() {
  static const Runtime& runtime = *new SystemRuntime;
  return runtime;
}

class FileVolume final : public VolumeIo {
 public:
  FileVolume(FakeVolumes& owner, uint64_t id, UniqueFd fd, uint64_t size_bytes)
      : owner_(owner), id_(id), fd_(std::move(fd)), size_bytes_(size_bytes) {
    ++owner_.counters().open_handles;
  }
  ~FileVolume() override { --owner_.counters().open_handles; }

  uint64_t size_bytes() const override { return size_bytes_; }
  absl::StatusOr<uint64_t> SizeNow() override {
    BATON_RETURN_IF_ERROR(owner_.AwaitService());
    BATON_ASSIGN_OR_RETURN(const VolumeEntry entry, owner_.Get(id_));
    return entry.size_bytes;
  }

  absl::Status Read(uint64_t offset, MutableBytes out) override {
    BATON_RETURN_IF_ERROR(owner_.Begin(out.data(), out.size()));
    ++owner_.counters().reads;
    const ssize_t done = ::pread(fd_.get(), out.data(), out.size(), static_cast<off_t>(offset));
    owner_.Finish();
    return Whole(done, out.size(), "read");
  }

  absl::Status Write(uint64_t offset, Bytes data) override {
    BATON_RETURN_IF_ERROR(owner_.Begin(data.data(), data.size()));
    ++owner_.counters().writes;
    const ssize_t done = ::pwrite(fd_.get(), data.data(), data.size(), static_cast<off_t>(offset));
    owner_.Changed(id_);
    owner_.Finish();
    return Whole(done, data.size(), "write");
  }

  absl::Status Flush() override {
    BATON_RETURN_IF_ERROR(owner_.AwaitService());
    ++owner_.counters().flushes;
    return ::fdatasync(fd_.get()) == 0 ? absl::OkStatus() : ErrnoStatus(errno, "sync", "volume");
  }

  absl::Status Discard(uint64_t offset, uint64_t length_bytes) override {
    BATON_RETURN_IF_ERROR(owner_.AwaitService());
    ++owner_.counters().discards;
    owner_.Delay();
    const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    return ::fallocate(fd_.get(), mode, static_cast<off_t>(offset),
                       static_cast<off_t>(length_bytes)) == 0
               ? absl::OkStatus()
               : ErrnoStatus(errno, "punch", "volume");
  }

 private:
  static absl::Status Whole(ssize_t done, size_t wanted, const char* what) {
    if (done == static_cast<ssize_t>(wanted)) return absl::OkStatus();
    return Error(absl::StatusCode::kInternal, "{} of {} bytes: {} done", what, wanted, done);
  }

  FakeVolumes& owner_;
  const uint64_t id_;
  const UniqueFd fd_;
  const uint64_t size_bytes_;
};

}  // namespace

FakeVolumes::FakeVolumes(std::string directory, IoCounters& counters, int open_flags)
    : directory_(std::move(directory)), counters_(counters), open_flags_(open_flags) {}

std::string FakeVolumes::PathOf(uint64_t id) const { return fmt::format("{}/{}", directory_, id); }

void FakeVolumes::Add(uint64_t id, const std::string& name, uint64_t size_bytes) {
  const UniqueFd file(::open(PathOf(id).c_str(), O_RDWR | O_CREAT, 0600));
  (void)!::ftruncate(file.get(), static_cast<off_t>(size_bytes));
  absl::MutexLock lock(&mutex_);
  entries_[id] = {.id = id,
                  .name = name,
                  .size_bytes = size_bytes,
                  .created_unix_us = 1'000'000,
                  .changed_unix_us = 1'000'000};
}

void FakeVolumes::Remove(uint64_t id) {
  absl::MutexLock lock(&mutex_);
  entries_.erase(id);
}

void FakeVolumes::Delay() const {
  if (const absl::Duration delay = delay_; delay > absl::ZeroDuration()) absl::SleepFor(delay);
}

void FakeVolumes::Changed(uint64_t id) {
  absl::MutexLock lock(&mutex_);
  if (entries_.contains(id)) entries_[id].changed_unix_us = absl::ToUnixMicros(absl::Now());
}

void FakeVolumes::FailWith(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  failure_ = std::move(status);
  changed_.SignalAll();
}

VolumeEntry FakeVolumes::Current(const VolumeEntry& entry) const {
  VolumeEntry result = entry;
  struct stat attributes = {};
  if (::stat(PathOf(entry.id).c_str(), &attributes) == 0) {
    result.allocated_bytes = static_cast<uint64_t>(attributes.st_blocks) * 512;
  }
  return result;
}

absl::StatusOr<std::vector<VolumeName>> FakeVolumes::List(uint64_t after_id, size_t limit) const {
  absl::MutexLock lock(&mutex_);
  std::vector<VolumeName> result;
  for (auto next = entries_.upper_bound(after_id); next != entries_.end() && result.size() < limit;
       ++next) {
    result.push_back({.id = next->first, .name = next->second.name});
  }
  counters_.names_listed += result.size();
  return result;
}

absl::StatusOr<VolumeEntry> FakeVolumes::Lookup(const std::string& name) const {
  absl::MutexLock lock(&mutex_);
  for (const auto& [id, entry] : entries_) {
    if (entry.name == name) return Current(entry);
  }
  return Error(absl::StatusCode::kNotFound, "no volume {}", name);
}

absl::StatusOr<VolumeEntry> FakeVolumes::Get(uint64_t id) const {
  absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end()) return Error(absl::StatusCode::kNotFound, "no volume {}", id);
  return Current(found->second);
}

absl::StatusOr<std::shared_ptr<VolumeIo>> FakeVolumes::Open(uint64_t id) {
  BATON_RETURN_IF_ERROR(AwaitService());
  BATON_ASSIGN_OR_RETURN(const VolumeEntry entry, Get(id));
  UniqueFd fd(::open(PathOf(id).c_str(), O_RDWR | O_CLOEXEC | open_flags_));
  if (!fd.valid()) return ErrnoStatus(errno, "open", PathOf(id));
  return std::make_unique<FileVolume>(*this, id, std::move(fd), entry.size_bytes);
}

absl::StatusOr<std::optional<DataRange>> FakeVolumes::NextData(uint64_t id, uint64_t offset) const {
  const UniqueFd file(::open(PathOf(id).c_str(), O_RDONLY | O_CLOEXEC));
  const off_t begin = ::lseek(file.get(), static_cast<off_t>(offset), SEEK_DATA);
  if (begin < 0) return std::optional<DataRange>();
  const off_t end = ::lseek(file.get(), begin, SEEK_HOLE);
  return DataRange{static_cast<uint64_t>(begin), static_cast<uint64_t>(end)};
}

absl::StatusOr<Capacity> FakeVolumes::GetCapacity() const {
  return Capacity{.total_bytes = 1'000'000 * kPage, .free_bytes = 400'000 * kPage};
}

absl::Status FakeVolumes::Begin(const void* memory, uint64_t length_bytes) {
  ++counters_.begun;
  if (reinterpret_cast<uintptr_t>(memory) % kPage != 0) ++counters_.unaligned_buffers;
  uint64_t longest = counters_.longest_bytes;
  while (length_bytes > longest &&
         !counters_.longest_bytes.compare_exchange_weak(longest, length_bytes)) {
  }
  Delay();
  return AwaitService();
}

void FakeVolumes::SetOutage(bool outage) {
  absl::MutexLock lock(&mutex_);
  outage_ = outage;
  changed_.SignalAll();
}

void FakeVolumes::WakeWaiting() {
  absl::MutexLock lock(&mutex_);
  changed_.SignalAll();
}

absl::Status FakeVolumes::AwaitService() {
  HostRequest* const request = HostRequest::Current();
  absl::MutexLock lock(&mutex_);
  while (outage_ && failure_.ok()) {
    if (request != nullptr && request->killed()) return absl::CancelledError("called off");
    if (request != nullptr) request->NoteWait();
    const HostRequest::ServiceWait wait(BootClock());
    changed_.Wait(&mutex_);
  }
  return failure_;
}

void FakeVolumes::HoldElsewhere(FileLocks locks) {
  absl::MutexLock lock(&mutex_);
  elsewhere_ = std::move(locks);
}

FileLocks FakeVolumes::ToldLocks(uint64_t id) const {
  absl::MutexLock lock(&mutex_);
  const auto found = told_.find(id);
  return found == told_.end() ? FileLocks() : found->second;
}

absl::StatusOr<std::optional<FileLock>> FakeVolumes::SetLocks(uint64_t id, const FileLocks& locks) {
  if (unserved_) return absl::AbortedError("nobody serves");
  absl::MutexLock lock(&mutex_);
  for (const FileLock& wanted : locks) {
    if (const auto other = FindForeignConflict(elsewhere_, wanted)) return other;
  }
  told_[id] = locks;
  return std::nullopt;
}

absl::StatusOr<std::vector<VolumeLocks>> FakeVolumes::SetAllLocks(
    const std::vector<VolumeLocks>& all) {
  if (unserved_) return absl::AbortedError("nobody serves");
  absl::MutexLock lock(&mutex_);
  told_.clear();
  if (loses_) return all;
  for (const VolumeLocks& each : all) told_[each.volume_id] = each.locks;
  return std::vector<VolumeLocks>();
}

absl::StatusOr<std::optional<FileLock>> FakeVolumes::FindLock(uint64_t,
                                                              const FileLock& wanted) const {
  absl::MutexLock lock(&mutex_);
  return FindForeignConflict(elsewhere_, wanted);
}

}  // namespace baton::fs
