// The digests of a run, extent by extent, and the certificate: one hash over all of them.
#pragma once

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>

#include <span>
#include <string>

#include "engine/base/checksum.h"
#include "engine/clone/extents.h"
#include "engine/meta/catalog.h"

namespace baton {

// Calls `visit` with the T0 digests of all extents, in order, some at a time (limits::
// kMaxDigestsAtOnce at most), `first` being the extent of the first of them; an extent that has
// none in the catalog was a hole. Stops at the first error of `visit` and returns it. REQUIRES: all
// extents of the run are recorded, with digests.
using DigestVisitor =
    absl::FunctionRef<absl::Status(uint64_t first, std::span<const Digest> digests)>;
absl::Status ForEachDigest(const Catalog& catalog, uint64_t run_id, const Geometry& geometry,
                           DigestVisitor visit);

// The digest of an extent that is nothing but zeros.
class ZeroDigests {
 public:
  explicit ZeroDigests(const Geometry& geometry);
  const Digest& Of(uint64_t extent) const { return extent == last_ ? of_last_ : of_others_; }

 private:
  const uint64_t last_;
  const Digest of_others_;
  const Digest of_last_;
};

// XXH3-128 over the volume's size, the extent size and the digests of all extents: the same
// for the same content, whoever copied it in whatever order.
class Certifier {
 public:
  explicit Certifier(const Geometry& geometry);
  void Add(std::span<const Digest> digests);
  std::string Result() const;  // 32 hex digits

 private:
  XXH3_state_t state_;
};

}  // namespace baton
