// Which advisory locks the mount's programs hold: remembered over the processes that serve it.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "engine/base/file_lock.h"
#include "engine/base/unique_fd.h"

namespace baton::fs {

// In the memory of the OpenTable, behind it. Whatever is changed is there in full or not at all
// when the process is killed, but for a change of several locks: then what it adds and what it
// takes away may both be there, and the request, which the kernel delivers again, mends that.
//
// One process at a time, from its Load() on. Not thread-safe.
class LockTable {
 public:
  static constexpr size_t kEntries = 16'384;

  // A file of an earlier version, without locks, is made longer by Load: until then that version can
  // go on with it. InvalidArgument: it is none.
  static absl::StatusOr<std::unique_ptr<LockTable>> Map(UniqueFd file);
  ~LockTable();
  LockTable(const LockTable&) = delete;
  LockTable& operator=(const LockTable&) = delete;

  // What is held. Once, when the process before has ended, and before all that follows.
  absl::flat_hash_map<uint64_t, FileLocks> Load();  // by volume
  // Exactly `locks` are held on the volume. False: the table is full, and nothing was changed.
  bool Replace(uint64_t volume_id, const FileLocks& locks);

 private:
  struct Entry {
    std::atomic<uint64_t> volume_id;  // 0: free
    uint64_t first;
    uint64_t last;
    uint64_t owner;
    uint64_t handle;
    uint32_t pid;
    uint32_t flags;
  };
  static_assert(sizeof(Entry) == 48 && std::atomic<uint64_t>::is_always_lock_free,
                "the layout is shared by versions");

  LockTable(UniqueFd file, void* memory, std::span<Entry> entries)
      : file_(std::move(file)), memory_(memory), entries_(entries) {}

  static FileLock LockIn(const Entry& entry);
  static void Fill(const FileLock& lock, uint64_t volume_id, Entry& entry);

  const UniqueFd file_;
  void* const memory_;
  const std::span<Entry> entries_;
  std::vector<size_t> free_;
  absl::flat_hash_map<uint64_t, std::vector<size_t>> places_;  // by volume
};

}  // namespace baton::fs
