#include "engine/clone/certificate.h"

#include <array>
#include <vector>

#include "engine/base/status.h"

namespace baton {
namespace {

Digest DigestOfZeros(uint64_t bytes) { return DigestOf(std::vector<std::byte>(bytes)); }

}  // namespace

absl::Status ForEachDigest(
    const Catalog& catalog, uint64_t run_id, const Geometry& geometry,
    absl::FunctionRef<absl::Status(uint64_t extent, const Digest& digest)> visit) {
  const uint64_t extents = geometry.extents();
  const Digest hole = DigestOfZeros(geometry.extent_bytes);
  const Digest last_hole = DigestOfZeros(geometry.BytesOf({extents - 1, 1}));
  uint64_t next = 0;
  absl::Status status;
  const auto visit_holes = [&](uint64_t end) {
    for (; status.ok() && next < end; ++next) {
      status = visit(next, next + 1 == extents ? last_hole : hole);
    }
  };
  const absl::Status scanned =
      catalog.ForEachDigestRun(run_id, [&](uint64_t first, std::span<const Digest> digests) {
        visit_holes(first);
        for (const Digest& digest : digests) {
          if (status.ok()) status = visit(next++, digest);
        }
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

void Certifier::Add(const Digest& digest) {
  XXH3_128bits_update(&state_, digest.data(), digest.size());
}

std::string Certifier::Result() const {
  std::string hex;
  for (const std::byte b : Canonical(XXH3_128bits_digest(&state_))) {
    hex += fmt::format("{:02x}", static_cast<unsigned>(b));
  }
  return hex;
}

}  // namespace baton
