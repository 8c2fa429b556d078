// Connects the mount with the engine: the directory of volumes that fs asks for.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/node/seat.h"
#include "cli/node/volume_server.h"
#include "engine/base/storage.h"
#include "engine/engine.h"

namespace baton {

// A pool while this controller owns it.
struct OwnedPool {
  Engine& engine;
  const Storage& storage;
};

// Aborted while nobody is in the seat. Thread-safe.
class VolumeAdapter final : public VolumeServer {
 public:
  // Told of an error of the storage under a request. True: another controller will own the pool
  // soon, so the request is answered with Aborted and goes there. May be empty.
  using StorageFailed = std::function<bool(const absl::Status&)>;

  explicit VolumeAdapter(Seat<OwnedPool>& pool, StorageFailed storage_failed = {})
      : pool_(pool), storage_failed_(std::move(storage_failed)) {}

  absl::StatusOr<std::vector<fs::VolumeName>> List(uint64_t after_id, size_t limit) const override;
  absl::StatusOr<fs::VolumeEntry> Lookup(const std::string& name) const override;
  absl::StatusOr<fs::VolumeEntry> Get(uint64_t id) const override;
  absl::StatusOr<std::shared_ptr<VolumeIo>> Open(uint64_t id) override;
  absl::StatusOr<std::optional<DataRange>> NextData(uint64_t id, uint64_t offset) const override;
  absl::StatusOr<fs::Capacity> GetCapacity() const override;

 private:
  Seat<OwnedPool>& pool_;
  const StorageFailed storage_failed_;
};

}  // namespace baton
