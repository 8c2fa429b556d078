// The digests of a run, extent by extent, and the certificate: one hash over all of them.
#pragma once

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>

#include <string>

#include "engine/base/checksum.h"
#include "engine/clone/extents.h"
#include "engine/meta/catalog.h"

namespace baton {

// Calls `visit` with the T0 digest of every extent, in order; an extent that has none in the
// catalog was a hole. Stops at the first error of `visit` and returns it. REQUIRES: all extents
// of the run are recorded, with digests.
absl::Status ForEachDigest(
    const Catalog& catalog, uint64_t run_id, const Geometry& geometry,
    absl::FunctionRef<absl::Status(uint64_t extent, const Digest& digest)> visit);

// XXH3-128 over the volume's size, the extent size and the digests of all extents: the same
// for the same content, whoever copied it in whatever order.
class Certifier {
 public:
  explicit Certifier(const Geometry& geometry);
  void Add(const Digest& digest);
  std::string Result() const;  // 32 hex digits

 private:
  XXH3_state_t state_;
};

}  // namespace baton
