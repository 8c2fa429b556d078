// Hosts use files of a real mount, as any program would.
#pragma once

#include <memory>
#include <string>

#include "fs/mount.h"
#include "fs/session.h"
#include "ha/volumes/volume_adapter.h"
#include "tests/checker/backend.h"
#include "tests/engine/engine_pool.h"
#include "tests/fs/mounted_test.h"

namespace baton::checker {

// A restart goes unnoticed: requests wait in the kernel for the next session.
class MountedBackend final : public Backend {
 public:
  MountedBackend();
  ~MountedBackend() override;

  Engine& engine() override { return pool_.engine(); }
  bool hosts_survive() const override { return true; }
  absl::StatusOr<std::unique_ptr<VolumeIo>> Open(const std::string& volume, bool direct) override;
  // The mount has one error for everything that a program cannot mend.
  bool IsOffline(const absl::Status& status) const override { return absl::IsDataLoss(status); }
  absl::Status Seal() override;
  absl::Status Reopen() override;
  absl::StatusOr<std::vector<std::byte>> ReadFile(const std::string& volume) override {
    return pool_.ReadFile("volumes/" + volume);
  }

 private:
  absl::Status Serve(bool adopt);

  fs::Scratch scratch_;  // first: it forks
  EnginePool pool_;
  std::unique_ptr<fs::Mount> mount_;
  std::unique_ptr<ha::OwnedPool> owned_;
  ha::Drainable<ha::OwnedPool> drainable_;
  ha::VolumeAdapter volumes_{drainable_};
  std::unique_ptr<fs::Session> session_;
};

}  // namespace baton::checker
