// One host: a thread that does what its generator says and compares every answer.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "tests/checker/backend.h"
#include "tests/checker/log.h"
#include "tests/checker/operation.h"
#include "tests/checker/volume.h"

namespace baton::checker {

class Host {
 public:
  struct Options {
    size_t number = 0;
    uint64_t seed = 0;
    uint32_t fixed_volumes = 0;  // the first ones; hosts change the others only if they may
    bool may_change_targets = false;
  };
  Host(const Options& options, Backend& backend, std::vector<std::unique_ptr<Volume>>& volumes,
       uint64_t size_bytes, Log& log);

  // Until so many operations are done, something is wrong, or `ending` is set: from then on the
  // first one that is Aborted is the last.
  void Work(uint64_t operations, const std::atomic<bool>& ending);

  // Operations drawn, and those of them that were not left out: the volume may not be used now.
  uint64_t drawn() const { return drawn_; }
  uint64_t issued() const { return issued_; }

 private:
  // False: the engine is gone.
  bool Do(const Operation& operation);
  bool Issue(Volume& volume, VolumeIo& io, const Operation& operation, uint64_t moment);
  absl::Status Read(Volume& volume, VolumeIo& io, const Operation& operation);
  absl::Status Change(Volume& volume, VolumeIo& io, const Operation& operation, uint64_t moment);
  absl::Status Flush(Volume& volume, VolumeIo& io);
  bool Accept(const Volume& volume, const Operation& operation, uint64_t moment,
              const absl::Status& status);
  // Not aligned to pages, but so that every cell of the volume is whole in one page of memory.
  MutableBytes Buffer(uint64_t length_bytes);
  bool MayChange(const Operation& operation, Phase phase) const;

  const Options options_;
  Backend& backend_;
  std::vector<std::unique_ptr<Volume>>& volumes_;
  Generator generator_;
  Log& log_;
  std::vector<std::byte> buffer_;
  bool ending_ = false;
  std::atomic<uint64_t> drawn_{0};
  std::atomic<uint64_t> issued_{0};
};

}  // namespace baton::checker
