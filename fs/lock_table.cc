#include "fs/lock_table.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "engine/base/errno_status.h"
#include "engine/base/status.h"
#include "fs/open_table.h"

namespace baton::fs {
namespace {

constexpr char kLockTableName[] = "the table of locks";
constexpr size_t kEntryBytes = 48;
constexpr size_t kBytes = OpenTable::kFileBytes + kEntryBytes * LockTable::kEntries;
constexpr uint32_t kFlockBit = 1;
constexpr uint32_t kExclusiveBit = 2;

}  // namespace

absl::StatusOr<std::unique_ptr<LockTable>> LockTable::Map(UniqueFd file) {
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0 ||
      static_cast<size_t>(status.st_size) < OpenTable::kFileBytes) {
    return Error(absl::StatusCode::kInvalidArgument, "no memory for {}", kLockTableName);
  }
  void* const memory = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) return ErrnoStatus(errno, "map", kLockTableName);
  auto* const first =
      reinterpret_cast<Entry*>(static_cast<std::byte*>(memory) + OpenTable::kFileBytes);
  return std::unique_ptr<LockTable>(new LockTable(std::move(file), memory, {first, kEntries}));
}

LockTable::~LockTable() { ::munmap(memory_, kBytes); }

FileLock LockTable::LockIn(const Entry& entry) {
  return {.space = entry.flags & kFlockBit ? LockSpace::kFlock : LockSpace::kRanges,
          .exclusive = (entry.flags & kExclusiveBit) != 0,
          .first = entry.first,
          .last = entry.last,
          .owner = entry.owner,
          .handle = entry.handle,
          .pid = entry.pid};
}

void LockTable::Fill(const FileLock& lock, uint64_t volume_id, Entry& entry) {
  entry.first = lock.first;
  entry.last = lock.last;
  entry.owner = lock.owner;
  entry.handle = lock.handle;
  entry.pid = lock.pid;
  entry.flags = (lock.space == LockSpace::kFlock ? kFlockBit : 0) |
                (lock.exclusive ? kExclusiveBit : 0);
  entry.volume_id.store(volume_id, std::memory_order_release);
}

absl::flat_hash_map<uint64_t, FileLocks> LockTable::Load() {
  absl::flat_hash_map<uint64_t, FileLocks> held;
  free_.clear();
  places_.clear();
  struct stat status = {};
  const bool is_whole =
      ::fstat(file_.get(), &status) == 0 && static_cast<size_t>(status.st_size) >= kBytes;
  // Without memory for it nothing is held, and nothing will be.
  if (!is_whole && ::ftruncate(file_.get(), kBytes) != 0) return held;
  for (size_t i = kEntries; i-- > 0;) {
    const uint64_t volume_id = entries_[i].volume_id.load(std::memory_order_acquire);
    if (volume_id == 0) {
      free_.push_back(i);
      continue;
    }
    places_[volume_id].push_back(i);
    held[volume_id].push_back(LockIn(entries_[i]));
  }
  return held;
}

bool LockTable::Replace(uint64_t volume_id, const FileLocks& locks) {
  std::vector<size_t>& places = places_[volume_id];
  FileLocks added;
  std::vector<size_t> kept;
  for (const FileLock& lock : locks) {
    const auto same = std::find_if(places.begin(), places.end(), [&](size_t place) {
      return LockIn(entries_[place]) == lock;
    });
    if (same == places.end()) {
      added.push_back(lock);
    } else {
      kept.push_back(*same);
      places.erase(same);
    }
  }
  if (added.size() > free_.size()) {
    places.insert(places.end(), kept.begin(), kept.end());
    return false;
  }
  for (const FileLock& lock : added) {
    Fill(lock, volume_id, entries_[free_.back()]);
    kept.push_back(free_.back());
    free_.pop_back();
  }
  for (const size_t place : places) {
    entries_[place].volume_id.store(0, std::memory_order_release);
    free_.push_back(place);
  }
  places = std::move(kept);
  if (places.empty()) places_.erase(volume_id);
  return true;
}

}  // namespace baton::fs
