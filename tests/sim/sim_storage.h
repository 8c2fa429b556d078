// Storage on a simulated disk that loses what was not synced.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/base/storage.h"
#include "tests/sim/sim_namespace.h"
#include "tests/sim/sim_steps.h"

namespace baton::sim {

class SimFile;

// Every operation yields before and after its effect, long ones also within. Writes are applied in
// sectors of 512 bytes, often in two parts; a Sync makes durable what had completed before it was
// issued and nothing else; a durable write may persist in part while it is in flight.
//
// A crash is cooperative: every operation returns Aborted and the tasks of the simulated machine
// end by themselves. When they have, Crash() of the owner (see SimMachine) makes the disk what it
// is after the crash.
class SimStorage final : public Storage {
 public:
  struct Options {
    uint64_t capacity_bytes = limits::kGiB;
    IoAlignment direct_alignment = {kSectorBytes, kSectorBytes};
    bool writes_end_with_process = true;
  };

  explicit SimStorage(Steps& steps) : SimStorage(steps, Options{}) {}
  SimStorage(Steps& steps, Options options);

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenOptions options) override;
  absl::Status MakeDirectory(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& path) const override;
  absl::StatusOr<bool> Exists(const std::string& path) const override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status RenameToFree(const std::string& from, const std::string& to) override;
  absl::Status Link(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status SyncDirectory(const std::string& path) override;
  absl::Status WriteSideBySide(std::span<const SideWrite> writes) override;
  absl::StatusOr<uint64_t> FreeBytes() const override;
  absl::StatusOr<uint64_t> TotalBytes() const override;
  bool WritesEndWithProcess() const override { return options_.writes_end_with_process; }

  // ---- for tests; no steps ----
  // Once the crashed tasks have ended: what `kind` leaves.
  void Crash(CrashKind kind);
  void set_capacity_bytes(uint64_t bytes) { options_.capacity_bytes = bytes; }
  // The whole file as readers see it now; nothing when it is not there.
  std::vector<std::byte> Peek(const std::string& path) const;
  // Changes bytes behind everybody's back, durably: bit rot, or the work of a deposed owner.
  void Poke(const std::string& path, uint64_t offset, Bytes data);

 private:
  friend class SimFile;

  // A name changes: `change` does it and tells its id.
  template <typename Change>
  absl::Status ChangeNames(const Operation& operation, Change change);
  absl::StatusOr<NodePtr> Create(const std::string& path, bool exclusive);
  uint64_t UsedBytes() const;

  Steps& steps_;
  Options options_;
  Namespace names_;
};

}  // namespace baton::sim
