// Where lease records are kept: POOL/lease/epoch-N (see lease_record.h).
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "engine/base/storage.h"
#include "engine/lease/lease_record.h"

namespace baton {

// "lease/epoch-N".
std::string LeasePath(uint64_t epoch);

// The greatest epoch that was ever claimed, as the storage knows it now; 0: none.
absl::StatusOr<uint64_t> NewestClaimedEpoch(Storage& storage);

// The record of the greatest epoch, read from storage and not from any cache; nullopt when no
// epoch was ever claimed. DataLoss: it is garbled (the message names the file).
absl::StatusOr<std::optional<LeaseRecord>> ReadNewestLease(Storage& storage);

// Claims record.epoch: makes its lease file, complete and durable. AlreadyExists: somebody else
// has; exactly one of any number of claimers wins, on any file system that has hard links. After
// any other error the claim may stand: nobody renews it, so it runs out.
absl::Status CreateLease(Storage& storage, const LeaseRecord& record);

// Removes what claims before `epoch` have left, but for the newest few records and death
// certificates. REQUIRES: `epoch`
// is claimed.
absl::Status RemoveOldLeases(Storage& storage, uint64_t epoch);

// The lease file of an epoch that we have claimed.
class LeaseFile {
 public:
  static absl::StatusOr<LeaseFile> Open(Storage& storage, uint64_t epoch);
  // Durable when it returns OK. After an error either record may be there.
  absl::Status Write(const LeaseRecord& record);

 private:
  explicit LeaseFile(std::unique_ptr<File> file) : file_(std::move(file)) {}

  std::unique_ptr<File> file_;
};

}  // namespace baton
