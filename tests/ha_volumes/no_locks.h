// For an owner whose locks nobody asks for.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ha/volumes/volume_server.h"

namespace baton::ha {

class NoLocks final : public LockServer {
  absl::StatusOr<std::optional<FileLock>> SetLocksOf(const LockTeller&, uint64_t,
                                                     const FileLocks&) override {
    return absl::UnimplementedError("no locks");
  }
  absl::StatusOr<std::vector<VolumeLocks>> SetAllLocksOf(const LockTeller&,
                                                         const std::vector<VolumeLocks>&) override {
    return absl::UnimplementedError("no locks");
  }
  absl::StatusOr<std::optional<FileLock>> FindLockFor(const std::string&, uint64_t,
                                                      const FileLock&) const override {
    return absl::UnimplementedError("no locks");
  }
  absl::Status DropLocksOf(const std::string&) override { return absl::OkStatus(); }
};

}  // namespace baton::ha
