// The volumes of a pool that nobody serves at the moment, as far as they are known here.
#pragma once

#include <absl/status/statusor.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/pool_view.h"
#include "ha/volumes/volume_server.h"

namespace baton::ha {

// Names and attributes from the metadata that this node follows; nothing here waits for storage or
// for a peer. Aborted: nothing is known, or it takes an owner to answer. Thread-safe.
class ViewVolumes final : public VolumeServer {
 public:
  struct Sources {
    std::function<std::shared_ptr<const PoolView>()> view;  // null: nothing is known
    std::function<Capacity()> capacity;                     // of the storage; without `volumes`
  };

  explicit ViewVolumes(Sources sources) : sources_(std::move(sources)) {}

  // Nobody serves from now on. A volume of which is not known when it changed last counts as
  // changed then.
  void Begin(absl::Time now) { began_unix_us_ = absl::ToUnixMicros(now); }

  absl::StatusOr<std::vector<VolumeName>> List(uint64_t after_id, size_t limit) const override;
  // How much is allocated is asked of storage, so it is not known here: all of it counts as.
  absl::StatusOr<VolumeEntry> Lookup(const std::string& name) const override;
  absl::StatusOr<VolumeEntry> Get(uint64_t id) const override;
  absl::StatusOr<std::shared_ptr<VolumeIo>> Open(uint64_t id) override;
  absl::StatusOr<std::optional<DataRange>> NextData(uint64_t id, uint64_t offset) const override;
  absl::StatusOr<Capacity> GetCapacity() const override;

 private:
  template <typename Key>
  absl::StatusOr<VolumeEntry> Find(const Key& key) const;

  const Sources sources_;
  std::atomic<int64_t> began_unix_us_ = 0;
};

}  // namespace baton::ha
