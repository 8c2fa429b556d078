// Hosts call the engine.
#pragma once

#include <string>

#include "tests/checker/backend.h"
#include "tests/engine/engine_pool.h"

namespace baton::checker {

class EngineBackend final : public Backend {
 public:
  EngineBackend(const std::string& parent, Durability durability) : pool_(parent, durability) {
    EXPECT_OK(pool_.Open());
  }

  Engine& engine() override { return pool_.engine(); }
  bool hosts_survive() const override { return false; }
  absl::StatusOr<std::unique_ptr<VolumeIo>> Open(const std::string& volume, bool) override {
    absl::StatusOr<VolumeStatus> status = pool_->ShowVolume(volume);
    if (!status.ok()) return status.status();
    return pool_->OpenVolume(status->id());
  }
  bool IsOffline(const absl::Status& status) const override {
    return absl::IsFailedPrecondition(status);
  }
  absl::Status Seal() override { return pool_->Seal().status(); }
  absl::Status Reopen() override {
    pool_.Close();
    return pool_.Open();
  }
  absl::StatusOr<std::vector<std::byte>> ReadFile(const std::string& volume) override {
    return pool_.ReadFile("volumes/" + volume);
  }

 private:
  EnginePool pool_;
};

}  // namespace baton::checker
