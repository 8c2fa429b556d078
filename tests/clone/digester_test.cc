#include "engine/clone/digester.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "tests/base/testing.h"

namespace baton {
namespace {

constexpr Geometry kPieces{.size_bytes = 10 * 4096 + 1000, .extent_bytes = 4096};

// One digest for each extent of `span`, each taken at once.
std::vector<Digest> AtOnce(const std::vector<std::byte>& volume, ExtentSpan span) {
  std::vector<Digest> digests;
  for (uint64_t extent = span.first; extent < span.end(); ++extent) {
    digests.push_back(
        DigestOf(Bytes(volume).subspan(kPieces.OffsetOf(extent), kPieces.BytesOf({extent, 1}))));
  }
  return digests;
}

std::vector<Digest> InPieces(const std::vector<std::byte>& volume, ExtentSpan span,
                             const std::function<size_t()>& next_length) {
  Digester digester(kPieces, span);
  Bytes rest = Bytes(volume).subspan(kPieces.OffsetOf(span.first), kPieces.BytesOf(span));
  while (!rest.empty()) {
    const Bytes piece = rest.first(std::min(rest.size(), next_length()));
    digester.Update(piece);
    rest = rest.subspan(piece.size());
  }
  return {digester.digests().begin(), digester.digests().end()};
}

TEST(Digester, PiecesOfAnySizeGiveTheSameDigests) {
  const std::vector<std::byte> volume = Pattern(kPieces.size_bytes, 3);
  for (const ExtentSpan span : {ExtentSpan{0, 11}, ExtentSpan{3, 1}, ExtentSpan{9, 2}}) {
    const std::vector<Digest> expected = AtOnce(volume, span);
    for (const size_t length : {1, 64, 1000, 4095, 4096, 4097, 10000, 1 << 20}) {
      EXPECT_EQ(InPieces(volume, span, [&] { return length; }), expected) << length;
    }
    std::mt19937_64 random(1);
    EXPECT_EQ(InPieces(volume, span, [&] { return 1 + random() % 9000; }), expected);
  }
}

TEST(Digester, AnExtentThatIsNotCompleteHasNoDigestYet) {
  const std::vector<std::byte> volume = Pattern(kPieces.size_bytes, 3);
  Digester digester(kPieces, {0, 3});
  digester.Update(Bytes(volume).first(4096 + 4095));
  EXPECT_EQ(digester.digests().size(), 1u);
  digester.Update(Bytes(volume).subspan(4096 + 4095, 1));
  EXPECT_EQ(digester.digests().size(), 2u);
}

// A volume in memory.
class MemoryVolume final : public VolumeIo {
 public:
  explicit MemoryVolume(std::vector<std::byte> content) : content_(std::move(content)) {}
  uint64_t size_bytes() const override { return content_.size(); }
  absl::Status Read(uint64_t offset, MutableBytes out) override {
    if (offset + out.size() > content_.size()) return absl::OutOfRangeError("beyond the end");
    std::copy_n(content_.begin() + static_cast<ptrdiff_t>(offset), out.size(), out.begin());
    return absl::OkStatus();
  }
  absl::Status Write(uint64_t, Bytes) override { return absl::UnimplementedError("write"); }
  absl::Status Flush() override { return absl::OkStatus(); }
  absl::Status Discard(uint64_t, uint64_t) override { return absl::UnimplementedError("discard"); }

 private:
  const std::vector<std::byte> content_;
};

TEST(DigestOfExtent, ReadsInPiecesThatFitTheBuffer) {
  const std::vector<std::byte> content = Pattern(kPieces.size_bytes, 3);
  MemoryVolume volume(content);
  std::vector<std::byte> buffer(1500);
  for (const uint64_t extent : {0, 5, 10}) {
    const absl::StatusOr<Digest> digest = DigestOfExtent(volume, kPieces, extent, buffer);
    ASSERT_OK(digest);
    EXPECT_EQ(*digest, AtOnce(content, {extent, 1}).front());
  }
}

}  // namespace
}  // namespace baton
