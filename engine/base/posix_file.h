// File over a descriptor. Internal to PosixStorage.
#pragma once

#include <string>

#include "engine/base/storage.h"
#include "engine/base/unique_fd.h"

namespace baton {

class PosixFile final : public File {
 public:
  // Takes over an open descriptor; `direct`: it was opened with O_DIRECT. `name` is for messages.
  // Falls back to ordinary I/O when the file turns out to have no direct I/O.
  static absl::StatusOr<std::unique_ptr<PosixFile>> Adopt(UniqueFd fd, bool direct,
                                                          std::string name);

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

  int fd() const { return fd_.get(); }
  const std::string& name() const { return name_; }
  // InvalidArgument when the kernel would refuse the range or the address.
  absl::Status CheckAligned(uint64_t offset, Bytes data) const;

 private:
  PosixFile(UniqueFd fd, IoAlignment alignment, std::string name);

  absl::Status WriteZeros(uint64_t offset, uint64_t length_bytes);
  absl::Status Fail(const char* operation, int error) const;

  const UniqueFd fd_;
  const IoAlignment alignment_;
  const std::string name_;
};

}  // namespace baton
