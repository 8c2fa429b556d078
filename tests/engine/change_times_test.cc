// When a volume changed last: what programs compare that ask whether they must read it again.
#include <gtest/gtest.h>

#include "tests/engine/engine_pool.h"

namespace baton {
namespace {

class ChangeTimes : public EngineTest {
 protected:
  int64_t TimeOf(const std::string& name) {
    return Must(pool_->ShowVolume(name)).changed_unix_us();
  }
};

TEST_F(ChangeTimes, AWriteAndADiscardChangeAVolumeAReadAndAFlushDoNot) {
  MakeVolume("a");
  const int64_t made = TimeOf("a");
  EXPECT_GT(made, 0);
  Write("a", 0, Pattern(kExtent, 1));
  const int64_t written = TimeOf("a");
  EXPECT_GT(written, made);
  (void)Content("a");
  ASSERT_OK(OpenByName("a")->Flush());
  EXPECT_EQ(TimeOf("a"), written);
  ASSERT_OK(OpenByName("a")->Discard(0, kExtent));
  EXPECT_GT(TimeOf("a"), written);
}

TEST_F(ChangeTimes, TheStartOfACloneChangesItsTargetAndCopyingDoesNot) {
  MakeVolume("src");
  MakeVolume("dst");
  Fill("src", 1);
  const int64_t source = TimeOf("src");
  const uint64_t id = Activate("src", "dst", kCrawl);
  const int64_t emptied = TimeOf("dst");
  ASSERT_OK(pool_->StartClones({id}));
  const int64_t started = TimeOf("dst");
  EXPECT_GT(started, emptied);
  Complete(id);
  EXPECT_EQ(TimeOf("dst"), started);
  EXPECT_EQ(TimeOf("src"), source);
}

TEST_F(ChangeTimes, AreKeptOverASeal) {
  MakeVolume("a");
  MakeVolume("b");
  Fill("a", 1);
  const int64_t a = TimeOf("a");
  const int64_t b = TimeOf("b");
  for (int i = 0; i < 2; ++i) {
    pool_.Close();
    ASSERT_OK(pool_.Open());
    EXPECT_EQ(TimeOf("a"), a);
    EXPECT_EQ(TimeOf("b"), b);
  }
}

TEST_F(ChangeTimes, AfterAnEpochThatWasNotSealedEverythingMayHaveChanged) {
  MakeVolume("a");
  const int64_t before = TimeOf("a");
  pool_.Close();
  pool_.SkipEpoch();
  ASSERT_OK(pool_.Open());
  const int64_t after = TimeOf("a");
  EXPECT_GT(after, before);
  pool_.Close();
  ASSERT_OK(pool_.Open());
  EXPECT_EQ(TimeOf("a"), after) << "once";
}

}  // namespace
}  // namespace baton
