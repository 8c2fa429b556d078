#include "fs/open_table.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "engine/base/errno_status.h"
#include "engine/base/status.h"

namespace baton::fs {
namespace {

constexpr char kOpenTableName[] = "baton-opens";

}  // namespace

absl::StatusOr<UniqueFd> OpenTable::MakeFile() {
  UniqueFd file(::memfd_create(kOpenTableName, MFD_CLOEXEC));
  if (file.valid() && ::ftruncate(file.get(), kFileBytes) == 0) return file;
  return ErrnoStatus(errno, "make", kOpenTableName);
}

absl::StatusOr<std::unique_ptr<OpenTable>> OpenTable::Map(UniqueFd file) {
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0 || static_cast<size_t>(status.st_size) < kFileBytes) {
    return Error(absl::StatusCode::kInvalidArgument, "{} is no table of open files",
                 kOpenTableName);
  }
  void* memory =
      ::mmap(nullptr, kFileBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file.get(), 0);
  if (memory == MAP_FAILED) return ErrnoStatus(errno, "map", kOpenTableName);
  return std::unique_ptr<OpenTable>(new OpenTable({static_cast<Entry*>(memory), kEntries}));
}

OpenTable::OpenTable(std::span<Entry> entries) : entries_(entries) {}

void OpenTable::Load() {
  absl::MutexLock lock(&mutex_);
  places_.clear();
  free_.clear();
  free_.reserve(kEntries);
  for (size_t i = kEntries; i-- > 0;) {
    const uint64_t handle = entries_[i].handle.load(std::memory_order_acquire);
    if (handle == 0) free_.push_back(i);
    if (handle != 0) places_[handle] = i;
  }
}

OpenTable::~OpenTable() { ::munmap(entries_.data(), entries_.size_bytes()); }

std::vector<OpenTable::Open> OpenTable::All() const {
  absl::MutexLock lock(&mutex_);
  std::vector<Open> all;
  for (const auto& [handle, place] : places_) {
    all.push_back({.handle = handle, .volume = entries_[place].volume});
  }
  return all;
}

size_t OpenTable::Count() const {
  absl::MutexLock lock(&mutex_);
  return places_.size();
}

OpenTable::Added OpenTable::Add(const Open& open) {
  absl::MutexLock lock(&mutex_);
  if (places_.contains(open.handle)) return Added::kThereAlready;
  if (free_.empty()) return Added::kFull;
  const size_t place = free_.back();
  free_.pop_back();
  places_[open.handle] = place;
  entries_[place].volume = open.volume;
  entries_[place].handle.store(open.handle, std::memory_order_release);
  return Added::kNew;
}

bool OpenTable::Has(uint64_t handle) const {
  absl::MutexLock lock(&mutex_);
  return places_.contains(handle);
}

std::optional<uint64_t> OpenTable::Remove(uint64_t handle) {
  absl::MutexLock lock(&mutex_);
  const auto found = places_.find(handle);
  if (found == places_.end()) return std::nullopt;
  const size_t place = found->second;
  places_.erase(found);
  free_.push_back(place);
  entries_[place].handle.store(0, std::memory_order_release);
  return entries_[place].volume;
}

}  // namespace baton::fs
