// Connects the mount with the engine: the directory of volumes that fs asks for.
#pragma once

#include "engine/base/storage.h"
#include "engine/engine.h"
#include "fs/volume_directory.h"

namespace baton {

// Thread-safe once it is connected; before, a session may only be prepared with it. What is handed
// in is borrowed.
class VolumeAdapter final : public fs::VolumeDirectory {
 public:
  explicit VolumeAdapter(const Storage& storage) : storage_(storage) {}
  VolumeAdapter(Engine& engine, const Storage& storage) : engine_(&engine), storage_(storage) {}
  void Connect(Engine& engine) { engine_ = &engine; }

  std::vector<fs::VolumeEntry> List() const override;
  absl::StatusOr<fs::VolumeEntry> Lookup(const std::string& name) const override;
  absl::StatusOr<fs::VolumeEntry> Get(uint64_t id) const override;
  absl::StatusOr<std::unique_ptr<VolumeIo>> Open(uint64_t id) override;
  absl::StatusOr<std::optional<DataRange>> NextData(uint64_t id, uint64_t offset) const override;
  absl::StatusOr<fs::Capacity> GetCapacity() const override;

 private:
  absl::StatusOr<fs::VolumeEntry> Describe(const VolumeInfo& volume) const;

  Engine* engine_ = nullptr;
  const Storage& storage_;
};

}  // namespace baton
