#include "engine/clone/certificate.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/base/testing.h"
#include "tests/clone/pool.h"

namespace baton {
namespace {

constexpr Geometry kGeometry{.size_bytes = 5 * 4096 - 100, .extent_bytes = 4096};

Digest DigestOfTag(uint8_t tag) { return DigestOf(Pattern(4096, tag)); }

std::string CertificateOf(const Geometry& geometry, const std::vector<Digest>& digests) {
  Certifier certifier(geometry);
  certifier.Add(digests);
  return certifier.Result();
}

TEST(Certifier, TheSameDigestsGiveTheSameCertificate) {
  const std::vector<Digest> digests = {DigestOfTag(1), DigestOfTag(2)};
  const std::string certificate = CertificateOf(kGeometry, digests);
  EXPECT_EQ(certificate, CertificateOf(kGeometry, digests));
  EXPECT_EQ(certificate.size(), 32u);
  EXPECT_EQ(certificate.find_first_not_of("0123456789abcdef"), std::string::npos);
}

TEST(Certifier, WhatDiffersInAnythingHasAnotherCertificate) {
  const std::string certificate = CertificateOf(kGeometry, {DigestOfTag(1), DigestOfTag(2)});
  EXPECT_NE(certificate, CertificateOf(kGeometry, {DigestOfTag(2), DigestOfTag(1)})) << "order";
  EXPECT_NE(certificate, CertificateOf(kGeometry, {DigestOfTag(1)})) << "an extent less";
  EXPECT_NE(certificate,
            CertificateOf({kGeometry.size_bytes + 1, 4096}, {DigestOfTag(1), DigestOfTag(2)}))
      << "size";
  EXPECT_NE(certificate,
            CertificateOf({kGeometry.size_bytes, 8192}, {DigestOfTag(1), DigestOfTag(2)}))
      << "extent size";
}

class ForEachDigestTest : public testing::Test {
 protected:
  ForEachDigestTest()
      : store_(machine_.meta().Open()), catalog_(*store_, machine_.runtime(), 1, "test") {
    EXPECT_OK(catalog_.Load());
  }
  void Put(uint64_t first, const std::vector<Digest>& digests) {
    MetaBatch batch;
    catalog_.PutDigests(batch, 10, first, digests);
    EXPECT_OK(catalog_.Commit(std::move(batch), Durable::kYes));
  }
  std::vector<Digest> ReadAll() {
    std::vector<Digest> digests;
    EXPECT_OK(
        ForEachDigest(catalog_, 10, kGeometry, [&](uint64_t first, std::span<const Digest> some) {
          EXPECT_EQ(first, digests.size());
          digests.insert(digests.end(), some.begin(), some.end());
          return absl::OkStatus();
        }));
    return digests;
  }

  const Digest hole_ = DigestOf(std::vector<std::byte>(4096));
  const Digest last_hole_ = DigestOf(std::vector<std::byte>(4096 - 100));
  sim::SimMachine machine_{1};
  std::unique_ptr<MetaStore> store_;
  Catalog catalog_;
};

TEST_F(ForEachDigestTest, ExtentsWithoutADigestWereHoles) {
  Put(1, {DigestOfTag(1), DigestOfTag(2)});
  const std::vector<Digest> expected = {hole_, DigestOfTag(1), DigestOfTag(2), hole_, last_hole_};
  EXPECT_EQ(ReadAll(), expected);
}

TEST_F(ForEachDigestTest, AVolumeOfHolesOnly) {
  const std::vector<Digest> expected = {hole_, hole_, hole_, hole_, last_hole_};
  EXPECT_EQ(ReadAll(), expected);
}

TEST_F(ForEachDigestTest, ComeInOrderOfExtentsHoweverTheyWereCopied) {
  Put(4, {DigestOfTag(5)});
  Put(0, {DigestOfTag(1), DigestOfTag(2)});
  Put(3, {DigestOfTag(4)});
  const std::vector<Digest> expected = {DigestOfTag(1), DigestOfTag(2), hole_, DigestOfTag(4),
                                        DigestOfTag(5)};
  EXPECT_EQ(ReadAll(), expected);
}

TEST_F(ForEachDigestTest, StopsAtTheFirstErrorOfTheVisitor) {
  Put(1, {DigestOfTag(1)});
  int visited = 0;
  EXPECT_CODE(ForEachDigest(catalog_, 10, kGeometry,
                            [&](uint64_t, std::span<const Digest>) {
                              return ++visited == 2 ? absl::CancelledError("enough")
                                                    : absl::OkStatus();
                            }),
              kCancelled);
  EXPECT_EQ(visited, 2);
}

}  // namespace
}  // namespace baton
