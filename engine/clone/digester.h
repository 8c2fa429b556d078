// Digests of consecutive extents whose bytes come in pieces.
#pragma once

#include <absl/status/statusor.h>

#include <array>
#include <cstdint>
#include <span>

#include "engine/base/checksum.h"
#include "engine/base/limits.h"
#include "engine/base/volume_io.h"
#include "engine/clone/extents.h"

namespace baton {

// Feed the bytes of `span` in order, in pieces of any length; afterwards digests() has one for
// each extent. No allocation. `span` has at most limits::kMaxExtentsPerCopy extents.
class Digester {
 public:
  Digester(const Geometry& geometry, ExtentSpan span);

  void Update(Bytes piece);
  std::span<const Digest> digests() const { return std::span(digests_).first(done_); }

 private:
  // Bytes of the extent that is being digested.
  uint64_t ExtentBytes() const { return geometry_.BytesOf({span_.first + done_, 1}); }
  void Finish(const Digest& digest);

  const Geometry geometry_;
  const ExtentSpan span_;
  std::array<Digest, limits::kMaxExtentsPerCopy> digests_;
  size_t done_ = 0;
  uint64_t consumed_ = 0;  // of the extent that is being digested
  XXH3_state_t state_;     // in use while consumed_ > 0
};

// The digest of one extent of `volume` as it is now, read in pieces that fit `buffer`.
absl::StatusOr<Digest> DigestOfExtent(VolumeIo& volume, const Geometry& geometry, uint64_t extent,
                                      MutableBytes buffer);

}  // namespace baton
