// One open file of a SimStorage.
#pragma once

#include <array>
#include <string>

#include "tests/sim/sim_storage.h"

namespace baton::sim {

class SimFile final : public File {
 public:
  SimFile(SimStorage& storage, NodePtr node, std::string path, OpenOptions options);

  absl::Status Read(uint64_t offset, MutableBytes out) const override;
  absl::Status Write(uint64_t offset, Bytes data, WriteMode mode) override;
  absl::Status Sync() override;
  absl::Status PunchHole(uint64_t offset, uint64_t length_bytes) override;
  absl::Status ZeroRange(uint64_t offset, uint64_t length_bytes) override;
  absl::Status Allocate(uint64_t offset, uint64_t length_bytes) override;
  absl::Status Truncate(uint64_t size_bytes) override;
  absl::Status Grow(uint64_t size_bytes) override;
  absl::StatusOr<uint64_t> SizeBytes() const override;
  absl::StatusOr<uint64_t> AllocatedBytes() const override;
  absl::StatusOr<std::optional<DataRange>> NextData(uint64_t offset) const override;
  IoAlignment alignment() const override { return alignment_; }

 private:
  friend class WriteInFlight;

  absl::Status CheckAligned(uint64_t offset, Bytes data) const;
  absl::Status CheckWritable(const char* operation) const;
  // How much of a write fits on the disk.
  uint64_t FittingBytes(uint64_t offset, uint64_t length_bytes) const;
  // A change that is not split: effect() does it and tells its id, or why not.
  template <typename Effect>
  absl::Status ChangeContent(const Operation& operation, Effect effect);

  SimStorage& storage_;
  Steps& steps_;
  const NodePtr node_;
  const std::string path_;
  const OpenOptions options_;
  const IoAlignment alignment_;
  const uint64_t boot_;
};

// A write between its issue and its answer, in three steps so that several can be under way.
class WriteInFlight {
 public:
  WriteInFlight(SimFile& file, uint64_t offset, Bytes data, WriteMode mode);

  // Refuses what the file does not take; then nothing has been issued.
  absl::Status Check() const;
  void Issue();
  void TakeEffect();
  absl::Status Finish();

 private:
  void Apply(uint64_t begin, uint64_t end);

  SimFile& file_;
  const uint64_t offset_;
  const Bytes data_;
  const WriteMode mode_;
  const Operation operation_;
  Steps::Flight flight_;
  std::array<Content::ChangeId, 2> changes_ = {};
  size_t change_count_ = 0;
};

}  // namespace baton::sim
