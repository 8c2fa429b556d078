// Verify: reads the target again and compares it with the digests of T0.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>

#include "engine/base/model.pb.h"
#include "engine/base/runtime.h"
#include "engine/clone/clone_checks.h"
#include "engine/clone/relation_table.h"
#include "engine/meta/catalog.h"
#include "engine/volume/volume_table.h"

namespace baton {

// Told of extents done and of all; false: give up.
using VerifyProgress = std::function<bool(uint64_t done, uint64_t total)>;

// Thread-safe; any number at one time.
class CloneVerifier {
 public:
  CloneVerifier(Runtime& runtime, const Catalog& catalog, const VolumeTable& volumes,
                const RelationTable& table, const CloneChecks& checks)
      : runtime_(runtime), catalog_(catalog), volumes_(volumes), table_(table), checks_(checks) {}

  // `progress` may be empty. Cancelled: it gave up. FailedPrecondition: the clone is not complete,
  // or keeps no digests.
  absl::StatusOr<VerifyReport> Verify(uint64_t id, const VerifyProgress& progress) const;

 private:
  Runtime& runtime_;
  const Catalog& catalog_;
  const VolumeTable& volumes_;
  const RelationTable& table_;
  const CloneChecks& checks_;
};

}  // namespace baton
