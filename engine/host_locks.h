// Who of all nodes holds which advisory locks on which volumes.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/base/fault.h"
#include "engine/base/file_lock.h"
#include "engine/base/runtime.h"
#include "engine/base/sleep_lock.h"
#include "engine/meta/catalog.h"

namespace baton {

// Who tells what it holds. A node numbers what it tells, ascending within a boot, so that what
// comes late counts for nothing.
struct LockTeller {
  std::string node;
  std::string boot_id;
  uint64_t order = 0;
};

// Each node says what its programs hold, volume by volume; between the programs of one node the
// node itself decides. A lock is durable before it is granted, so that the next owner of the pool
// knows it, whoever of the others it asks. One that is given back may come to life again by a loss
// of power, until its node tells the next owner what it holds. Thread-safe.
class HostLocks {
 public:
  // `freed` (may be empty): something that another node was refused on that volume is free now.
  HostLocks(Catalog& catalog, Runtime& runtime, Fault& fault,
            std::function<void(uint64_t volume_id)> freed);

  // Once, before anything else.
  absl::Status Load();

  // `node` holds exactly `locks` on the volume. nullopt: so it is now; otherwise the lock of
  // another node that is in the way, and nothing has changed. Aborted: it comes late, or the node
  // has not told its locks as a whole (SetAll) since this was made or since it has booted.
  absl::StatusOr<std::optional<FileLock>> Set(const LockTeller& teller, uint64_t volume_id,
                                              const FileLocks& locks);
  // `node` holds these and no others. Returns what it cannot have, because another node was given
  // it: after the node was declared gone. Aborted: it comes late.
  absl::StatusOr<std::vector<VolumeLocks>> SetAll(const LockTeller& teller,
                                                  const std::vector<VolumeLocks>& all);
  // The node is gone, and with it all that it held. Durable when it returns.
  absl::Status Drop(const std::string& node);
  // The same for every node that is none of these.
  absl::Status DropOthers(const std::vector<std::string>& nodes);
  // A lock of another node that keeps `wanted` out.
  std::optional<FileLock> Find(const std::string& node, uint64_t volume_id,
                               const FileLock& wanted) const;
  // Nodes whose programs hold locks on the volume.
  std::vector<std::string> Holders(uint64_t volume_id) const;
  // The volume is deleted: `batch` is about to be committed.
  void Forget(MetaBatch& batch, uint64_t volume_id);

 private:
  using ByNode = std::map<std::string, FileLocks>;

  std::optional<FileLock> FindOther(const std::string& node, uint64_t volume_id,
                                    const FileLock& wanted) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  FileLocks HeldBy(const std::string& node, uint64_t volume_id) const;
  std::vector<VolumeLocks> AllOf(const std::string& node) const;
  absl::StatusOr<std::vector<VolumeLocks>> Replace(const std::string& node,
                                                   const std::vector<VolumeLocks>& all);
  absl::Status Store(const std::string& node, const std::vector<VolumeLocks>& changes,
                     Durable durable);
  void Keep(const std::string& node, const VolumeLocks& change);

  Catalog& catalog_;
  Fault& fault_;
  const std::function<void(uint64_t)> freed_;
  SleepLock changes_;  // one at a time
  mutable absl::Mutex mutex_;
  std::map<uint64_t, ByNode> held_ ABSL_GUARDED_BY(mutex_);  // by volume; no empty lists
  std::map<std::string, LockTeller> told_ ABSL_GUARDED_BY(mutex_);  // last, by node
  std::set<uint64_t> refused_ ABSL_GUARDED_BY(mutex_);  // volumes on which somebody was refused
};

}  // namespace baton
