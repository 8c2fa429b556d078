// The lease record on storage: who owns an epoch, and that it still does.
//
// POOL/lease/epoch-N is the claim of epoch N and its lease record in one: made whole and under
// this name by a hard link, which only one claimer can make; rewritten in place by its owner
// alone. The record of the greatest N counts. (One file for all epochs could be overwritten by a
// delayed write of a deposed owner.)
//
// 4,096 bytes, little-endian. All that changes is in the first 512, which no device tears; the
// rest is zero.
//
//   offset  bytes  field
//        0      8  magic "BATONLSE"
//        8      4  format version, 1
//       12      4  flags; bit 0: released, the owner has ended in good order
//       16      8  epoch, N
//       24      8  counter, grows by one with each renewal
//       32      8  metadata sequence: every metadata write up to it was durable
//       40     64  node, padded with zeros
//      104     40  boot id of the node's kernel, padded with zeros
//      144     40  instance: a number of one process, padded with zeros
//      184     40  times of the owner, in microseconds: renew, stop, valid, takeover, watchdog;
//                  all zero: written by a program that did not tell them
//      224    280  zero
//      504      8  XXH3-64 of the bytes before it
//      512   3584  zero
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>

#include "engine/base/bytes.h"
#include "engine/base/limits.h"
#include "engine/lease/lease_times.h"

namespace baton {

inline constexpr uint64_t kLeaseRecordBytes = limits::kBlockBytes;

struct LeaseRecord {
  uint64_t epoch = 0;
  uint64_t counter = 0;
  uint64_t meta_sequence = 0;
  bool released = false;
  std::string node;
  std::string boot_id;
  std::string instance;
  std::optional<OwnerTimes> times = {};  // whole microseconds; nullopt: not told

  bool operator==(const LeaseRecord&) const = default;
};

// REQUIRES: out.size() == kLeaseRecordBytes. InvalidArgument: a name is too long.
absl::Status EncodeLeaseRecord(const LeaseRecord& record, MutableBytes out);

// DataLoss naming `path` when any byte is not as it was written; FailedPrecondition for a newer
// format.
absl::StatusOr<LeaseRecord> DecodeLeaseRecord(Bytes bytes, const std::string& path);

}  // namespace baton
