// What verify finds, and what a certificate certifies.
#include <gtest/gtest.h>

#include "tests/engine/engine_pool.h"

namespace baton {
namespace {

class Verify : public EngineTest {
 protected:
  Verify() {
    MakeVolume("src");
    MakeVolume("dst");
    Fill("src", 1);
  }
  VerifyReport Report(uint64_t id) { return Must(pool_->VerifyClone(id, nullptr)); }
};

TEST_F(Verify, NothingDiffersInAnUntouchedTarget) {
  const uint64_t id = Start("src", "dst");
  Complete(id);
  const VerifyReport report = Report(id);
  EXPECT_EQ(report.extents_total(), kExtents);
  EXPECT_EQ(report.extents_checked(), kExtents);
  EXPECT_EQ(report.extents_differing(), 0u);
  EXPECT_EQ(report.certificate(), Must(pool_->ShowClone(id)).certificate());
  EXPECT_EQ(report.certificate_now(), report.certificate());
}

TEST_F(Verify, SaysWhichExtentsTheHostHasWritten) {
  const uint64_t id = Start("src", "dst", kCrawl);
  Write("dst", 3 * kExtent, Pattern(1, 77));
  Complete(id);
  Write("dst", 10 * kExtent - 1, Pattern(2, 77));
  const VerifyReport report = Report(id);
  EXPECT_EQ(report.extents_differing(), 3u);
  ASSERT_EQ(report.differing_size(), 2);
  EXPECT_EQ(report.differing(0).first(), 3u);
  EXPECT_EQ(report.differing(1).first(), 9u);
  EXPECT_EQ(report.differing(1).count(), 2u);
  EXPECT_NE(report.certificate_now(), report.certificate());
}

TEST_F(Verify, FindsOneBitThatFlippedBehindOurBack) {
  const uint64_t id = Start("src", "dst");
  Complete(id);
  const std::unique_ptr<File> file = Must(pool_.storage().Open("volumes/dst", {}));
  std::vector<std::byte> byte(1);
  ASSERT_OK(file->Read(5 * kExtent + 100, byte));
  byte[0] ^= std::byte{1};
  ASSERT_OK(file->Write(5 * kExtent + 100, byte, WriteMode::kDurable));
  const VerifyReport report = Report(id);
  EXPECT_EQ(report.extents_differing(), 1u);
  EXPECT_EQ(report.differing(0).first(), 5u);
}

TEST_F(Verify, TheCertificateDependsOnTheContentAlone) {
  MakeVolume("dst2");
  MakeVolume("dst3");
  const uint64_t undisturbed = Start("src", "dst");
  Complete(undisturbed);
  const uint64_t disturbed = Start("src", "dst2", kCrawl);
  for (uint64_t extent = kExtents; extent > 0; extent -= 2) {
    Write("src", (extent - 1) * kExtent, Pattern(64, 200));
  }
  Complete(disturbed);
  const uint64_t of_another = Start("src", "dst3");
  Complete(of_another);
  const std::string certificate = Must(pool_->ShowClone(undisturbed)).certificate();
  EXPECT_EQ(Must(pool_->ShowClone(disturbed)).certificate(), certificate);
  EXPECT_NE(Must(pool_->ShowClone(of_another)).certificate(), certificate);
}

TEST_F(Verify, CanBeGivenUp) {
  const uint64_t id = Start("src", "dst");
  Complete(id);
  uint64_t calls = 0;
  const auto report = pool_->VerifyClone(id, [&](uint64_t done, uint64_t total) {
    EXPECT_EQ(total, kExtents);
    EXPECT_EQ(done, ++calls);
    return done < 10;
  });
  EXPECT_CODE(report, kCancelled);
  EXPECT_EQ(calls, 10u);
}

TEST_F(Verify, StillKnowsAfterARestart) {
  const uint64_t id = Start("src", "dst");
  Complete(id);
  const std::string certificate = Must(pool_->ShowClone(id)).certificate();
  pool_.Close();
  ASSERT_OK(pool_.Open());
  EXPECT_EQ(Must(pool_->ShowClone(id)).certificate(), certificate);
  EXPECT_EQ(Report(id).extents_differing(), 0u);
}

}  // namespace
}  // namespace baton
