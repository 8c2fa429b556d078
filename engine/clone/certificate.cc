#include "engine/clone/certificate.h"

#include <algorithm>
#include <array>
#include <vector>

#include "engine/base/limits.h"
#include "engine/base/status.h"

namespace baton {
namespace {

Digest DigestOfZeros(uint64_t bytes) { return DigestOf(std::vector<std::byte>(bytes)); }

}  // namespace

ZeroDigests::ZeroDigests(const Geometry& geometry)
    : last_(geometry.extents() - 1),
      of_others_(DigestOfZeros(geometry.extent_bytes)),
      of_last_(DigestOfZeros(geometry.BytesOf({last_, 1}))) {}

// Holes are many, and all but the last one alike: one piece of memory stands for all of them.
absl::Status ForEachDigest(const Catalog& catalog, uint64_t run_id, const Geometry& geometry,
                           DigestVisitor visit) {
  const uint64_t extents = geometry.extents();
  const ZeroDigests zeros(geometry);
  const std::vector<Digest> holes(std::min(extents, limits::kMaxDigestsAtOnce), zeros.Of(extents));
  uint64_t next = 0;
  absl::Status status;
  const auto visit_holes = [&](uint64_t end) {
    while (status.ok() && next < end) {
      const uint64_t count = std::min({holes.size(), end - next, extents - 1 - next});
      status = count > 0 ? visit(next, std::span(holes).first(count))
                         : visit(next, {&zeros.Of(next), 1});
      next += std::max<uint64_t>(count, 1);
    }
  };
  const absl::Status scanned =
      catalog.ForEachDigestRun(run_id, [&](uint64_t first, std::span<const Digest> digests) {
        visit_holes(first);
        if (status.ok()) status = visit(first, digests);
        next = first + digests.size();
        return status.ok();
      });
  BATON_RETURN_IF_ERROR(scanned);
  visit_holes(extents);
  return status;
}

Certifier::Certifier(const Geometry& geometry) {
  XXH3_128bits_reset(&state_);
  const std::array<uint64_t, 2> header = {geometry.size_bytes, geometry.extent_bytes};
  XXH3_128bits_update(&state_, header.data(), sizeof(header));
}

void Certifier::Add(std::span<const Digest> digests) {
  XXH3_128bits_update(&state_, digests.data(), digests.size_bytes());
}

std::string Certifier::Result() const {
  std::string hex;
  for (const std::byte b : Canonical(XXH3_128bits_digest(&state_))) {
    hex += fmt::format("{:02x}", static_cast<unsigned>(b));
  }
  return hex;
}

}  // namespace baton
