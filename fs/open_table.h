// Which files of the mount are open: remembered over the processes that serve it.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/base/unique_fd.h"

namespace baton::fs {

// The kernel tells of an OPEN once, to the process that serves then; a successor would take every
// volume for closed. So each open is an entry in memory that is handed from process to process. It
// is named by the number of the OPEN request, which the kernel repeats when it delivers the request
// again and uses for nothing else: adding and removing are exact, however often they are repeated,
// and wherever a process is killed (an entry is there when its handle is, one aligned word).
//
// Thread-safe. One process at a time: from its Load() on.
class OpenTable {
 public:
  static constexpr size_t kEntries = 65'536;

  struct Open {
    uint64_t handle = 0;
    uint64_t volume = 0;
  };

  // Of the table, in a file that may be longer: others keep theirs behind it.
  static constexpr size_t kFileBytes = kEntries * 16;

  static absl::StatusOr<UniqueFd> MakeFile();
  // What the table holds is not looked at yet: the process before may still change it.
  // InvalidArgument: it is none.
  static absl::StatusOr<std::unique_ptr<OpenTable>> Map(UniqueFd file);
  // Reads what is open. Once, when the process before has ended, and before all that follows.
  void Load();
  ~OpenTable();
  OpenTable(const OpenTable&) = delete;
  OpenTable& operator=(const OpenTable&) = delete;

  std::vector<Open> All() const;
  size_t Count() const;
  enum class Added { kNew, kThereAlready, kFull };
  Added Add(const Open& open);
  bool Has(uint64_t handle) const;
  // The volume; nullopt: there is no such handle (any more).
  std::optional<uint64_t> Remove(uint64_t handle);

 private:
  struct Entry {
    std::atomic<uint64_t> handle;  // 0: free
    uint64_t volume;
  };
  static_assert(sizeof(Entry) * kEntries == kFileBytes &&
                    std::atomic<uint64_t>::is_always_lock_free,
                "the layout is shared by versions");

  explicit OpenTable(std::span<Entry> entries);

  const std::span<Entry> entries_;
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<uint64_t, size_t> places_ ABSL_GUARDED_BY(mutex_);  // by handle
  std::vector<size_t> free_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton::fs
