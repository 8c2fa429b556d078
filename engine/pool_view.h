// What can be asked of a pool, whoever owns it.
#pragma once

#include <absl/functional/function_ref.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/model.pb.h"

namespace baton {

// What the mount needs to know of a volume.
struct VolumeInfo {
  uint64_t id = 0;
  std::string name;
  uint64_t size_bytes = 0;
  int64_t created_unix_us = 0;
  // What hosts see changed last: by a write or discard of any node, by the start of a clone into
  // it. Later with each change; kept over a seal. After an epoch that was not sealed nobody knows,
  // and every volume counts as changed when the next one was opened. 0: not known, of a standby's
  // view.
  int64_t changed_unix_us = 0;
};

// How much of a volume is allocated is asked of the storage, which may hang.
enum class Allocation {
  kMeasured,
  kAssumed,  // all of it
};

// The questions that the owner of a pool (Engine) and a standby (StandbyView) answer in the same
// words. Look-ups, orders and refusals stand here, once: an implementation supplies what it knows.
// Thread-safe.
//   InvalidArgument  no volume can have that name, or "7" may mean two clones
//   NotFound         there is no such volume or clone, as far as is known here
class PoolView {
 public:
  virtual ~PoolView() = default;

  // ---- volumes: only what is measured waits for the storage ----
  std::vector<VolumeInfo> ListVolumes() const;  // by name
  // At most `limit` of those with a greater id, by id.
  virtual std::vector<VolumeInfo> ListVolumesAfter(uint64_t id, size_t limit) const = 0;
  virtual size_t CountVolumes() const = 0;
  // What a mount asks for again and again: the cost depends neither on the number of volumes nor on
  // that of clones. Any name may be looked up.
  absl::StatusOr<VolumeInfo> FindVolume(const std::string& name) const;
  absl::StatusOr<VolumeInfo> FindVolume(uint64_t id) const;
  // Measured; errors of the storage, too.
  virtual absl::StatusOr<uint64_t> AllocatedBytes(uint64_t id) const = 0;
  // `path` is left empty: only the mount knows it.
  absl::StatusOr<VolumeStatus> ShowVolume(const std::string& name,
                                          Allocation allocation = Allocation::kMeasured) const;

  // ---- clones ----
  virtual std::vector<CloneStatus> ListClones() const = 0;  // by id
  virtual absl::StatusOr<CloneStatus> ShowClone(uint64_t id) const = 0;
  virtual absl::StatusOr<Residual> CloneResidual(uint64_t id, bool with_extents) const = 0;
  // An id ("7" or "+7"), or the name of a target: of several with that target the newest. Never
  // waits for the storage.
  absl::StatusOr<uint64_t> FindClone(const std::string& id_or_target) const;
  // Of those that name the volume, by id. Never waits for the storage.
  std::vector<uint64_t> ClonesUsing(const std::string& volume) const;

  // ---- events ----
  // The first `limit` with a greater sequence.
  virtual absl::StatusOr<std::vector<Event>> ListEvents(uint64_t after_sequence,
                                                        size_t limit) const = 0;
  // The greatest sequence; `after_sequence` where none is greater.
  virtual absl::StatusOr<uint64_t> LastEventAfter(uint64_t after_sequence) const = 0;

 protected:
  struct KnownVolume {
    VolumeInfo info;
    bool thick = false;
    bool importing = false;
  };
  static KnownVolume KnownOf(const VolumeRecord& record, int64_t changed_unix_us);

  // What an implementation knows; nothing of it waits for the storage.
  virtual std::optional<KnownVolume> LookUpVolume(const std::string& name) const = 0;
  virtual std::optional<KnownVolume> LookUpVolume(uint64_t id) const = 0;
  // By id. `visit` asks nothing of this view.
  virtual void ForEachRelation(absl::FunctionRef<void(const RelationRecord&)> visit) const = 0;
  // Who uses the volume, where that is known.
  virtual void AddUse(uint64_t /*volume_id*/, VolumeStatus& /*status*/) const {}
};

}  // namespace baton
