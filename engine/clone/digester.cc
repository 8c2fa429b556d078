#include "engine/clone/digester.h"

#include <algorithm>

#include "engine/base/status.h"

namespace baton {

Digester::Digester(const Geometry& geometry, ExtentSpan span) : geometry_(geometry), span_(span) {}

void Digester::Update(Bytes piece) {
  while (!piece.empty()) {
    const uint64_t left = ExtentBytes() - consumed_;
    const Bytes part = piece.first(std::min<uint64_t>(left, piece.size()));
    piece = piece.subspan(part.size());
    if (consumed_ == 0 && part.size() == left) {
      Finish(DigestOf(part));
      continue;
    }
    if (consumed_ == 0) XXH3_128bits_reset(&state_);
    XXH3_128bits_update(&state_, part.data(), part.size());
    consumed_ += part.size();
    if (part.size() == left) Finish(Canonical(XXH3_128bits_digest(&state_)));
  }
}

void Digester::Finish(const Digest& digest) {
  digests_[done_++] = digest;
  consumed_ = 0;
}

absl::StatusOr<Digest> DigestOfExtent(VolumeIo& volume, const Geometry& geometry, uint64_t extent,
                                      MutableBytes buffer) {
  Digester digester(geometry, {extent, 1});
  const uint64_t begin = geometry.OffsetOf(extent);
  const uint64_t end = begin + geometry.BytesOf({extent, 1});
  for (uint64_t offset = begin; offset < end;) {
    const MutableBytes piece = buffer.first(std::min<uint64_t>(buffer.size(), end - offset));
    BATON_RETURN_IF_ERROR(volume.Read(offset, piece));
    digester.Update(piece);
    offset += piece.size();
  }
  return digester.digests().front();
}

}  // namespace baton
