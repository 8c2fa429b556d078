// What the engine of the next epoch finds, and goes on with.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "engine/clone/intent_slot.h"
#include "tests/engine/engine_pool.h"

namespace baton {
namespace {

class Restart : public EngineTest {
 protected:
  Restart() {
    MakeVolume("src");
    MakeVolume("dst");
    Fill("src", 1);
  }
  std::vector<Residual> Reopen() {
    std::vector<Residual> residuals = pool_.Close();
    EXPECT_OK(pool_.Open());
    return residuals;
  }
};

TEST_F(Restart, VolumesKeepTheirContent) {
  Reopen();
  EXPECT_EQ(Content("src"), Filled(1));
  EXPECT_EQ(Content("dst"), Zeros());
}

TEST_F(Restart, WhoIsEvictedStaysSoUntilItIsReadmitted) {
  const EvictionRecord eviction = Must(pool_->EvictNode("b"));
  Reopen();
  ASSERT_EQ(pool_->EvictedNodes().size(), 1u);
  EXPECT_EQ(pool_->EvictedNodes()[0].node(), "b");
  EXPECT_EQ(pool_->EvictedNodes()[0].id(), eviction.id());
  EXPECT_OK(pool_->ReadmitNode("b", eviction.id()));
  EXPECT_TRUE(pool_->EvictedNodes().empty());
  Reopen();
  EXPECT_TRUE(pool_->EvictedNodes().empty());
}

TEST_F(Restart, ACloneThatWasCopyingGoesOnWithTheRestAlone) {
  const uint64_t id = Start("src", "dst", kCrawl);
  Write("src", 8 * kExtent, Pattern(40 * kExtent, 2));  // 40 extents are preserved
  const std::vector<Residual> residuals = Reopen();
  ASSERT_EQ(residuals.size(), 1u);
  EXPECT_EQ(residuals[0].id(), id);
  const CloneStatus status = Must(pool_->ShowClone(id));
  EXPECT_EQ(status.state(), "copying");
  EXPECT_GE(status.extents_copied(), 40u);
  EXPECT_GE(status.extents_copied() + residuals[0].extents_residual(), kExtents);
  EXPECT_EQ(Content("dst"), Filled(1));
  Write("src", 0, Pattern(4 * kExtent, 3));
  Complete(id);
  EXPECT_EQ(Content("dst"), Filled(1));
  EXPECT_EQ(Must(pool_->ShowClone(id)).copies_total(), kExtents) << "nothing is copied twice";
  EXPECT_EQ(Must(pool_->VerifyClone(id, nullptr)).extents_differing(), 0u);
}

TEST_F(Restart, TheCertificateIsTheSameAfterAnyNumberOfRestarts) {
  MakeVolume("dst2");
  const uint64_t undisturbed = Start("src", "dst2");
  Complete(undisturbed);
  const uint64_t id = Start("src", "dst", kCrawl);
  for (uint64_t i = 0; i < 4; ++i) {
    Write("src", i * 9 * kExtent, Pattern(5 * kExtent, 2));
    Reopen();
  }
  Complete(id);
  EXPECT_EQ(Must(pool_->ShowClone(id)).certificate(),
            Must(pool_->ShowClone(undisturbed)).certificate());
}

TEST_F(Restart, EveryStateIsTheSameAfterwards) {
  for (const std::string state :
       {"created", "activated", "copying", "paused", "stopped", "completed"}) {
    const uint64_t id = MakeIn(state);
    const bool is_offline = IsOffline("dst");
    Reopen();
    EXPECT_EQ(StateOf(id), state);
    EXPECT_EQ(IsOffline("dst"), is_offline) << state;
    (void)pool_->StopClone(id);
    ASSERT_OK(pool_->DeleteClone(id));
  }
}

TEST_F(Restart, APausedCloneStillPreserves) {
  const uint64_t id = MakeIn("paused");
  Reopen();
  Fill("src", 2);
  EXPECT_EQ(Content("dst"), Filled(1));
  ASSERT_OK(pool_->ResumeClone(id));
  Complete(id);
  EXPECT_EQ(Content("dst"), Filled(1));
}

TEST_F(Restart, EventsAreKeptAndNumberedOn) {
  const std::vector<Event> before = Must(pool_->ListEvents(0, 100));
  Reopen();
  MakeVolume("more");
  const std::vector<Event> after = Must(pool_->ListEvents(0, 100));
  ASSERT_EQ(after.size(), before.size() + 1);
  EXPECT_EQ(after.back().sequence(), before.back().sequence() + 1);
  EXPECT_EQ(after.back().epoch(), pool_.epoch());
}

// Whatever is not what its record or its checksum says is named, and nothing is guessed.
class Damage : public Restart {
 protected:
  void PutSlot(uint64_t index, const IntentSlot& slot) {
    std::vector<std::byte> block(limits::kBlockBytes);
    EncodeSlot(slot, block);
    Overwrite("intents", LogShape().OffsetOf(index), block);
  }
  void Overwrite(const std::string& path, uint64_t offset, const std::vector<std::byte>& data) {
    ASSERT_OK(Must(pool_.storage().Open(path, {}))->Write(offset, data, WriteMode::kDurable));
  }
  void ExpectNotOpened(const std::string& text) {
    const absl::Status status = pool_.Open();
    EXPECT_CODE(status, kDataLoss);
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr(text));
    EXPECT_EQ(status.message().find('\n'), absl::string_view::npos);
  }
};

TEST_F(Damage, AGarbledIntentSlot) {
  pool_.Close();
  Overwrite("intents", LogShape().OffsetOf(77) + 13, BytesOf("garbage"));
  ExpectNotOpened("intents, slot 77: it is garbled");
}

TEST_F(Damage, AnIntentRingThatWasCutShort) {
  pool_.Close();
  std::filesystem::resize_file(pool_.Path("intents"), 5000);
  ExpectNotOpened("intents: it has 5000 bytes");
}

TEST_F(Damage, AnIntentRingThatIsMissing) {
  pool_.Close();
  ASSERT_OK(pool_.storage().Remove("intents"));
  const absl::Status status = pool_.Open();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("intents"));
}

TEST_F(Damage, AVolumeFileThatIsMissing) {
  pool_.Close();
  ASSERT_OK(pool_.storage().Remove("volumes/src"));
  ExpectNotOpened("volumes/src is missing");
}

TEST_F(Damage, AVolumeFileOfAnotherSize) {
  pool_.Close();
  std::filesystem::resize_file(pool_.Path("volumes/dst"), kSize + 1);
  ExpectNotOpened("volumes/dst has " + std::to_string(kSize + 1) + " bytes");
}

TEST_F(Damage, MetadataThatHasLostItsEnd) {
  pool_.Close();
  PutSlot(3, {.epoch = 1,
              .run_id = 77,
              .sequence = 1,
              .meta_sequence = 1'000'000,
              .span = {0, 1},
              .digests = {}});
  ExpectNotOpened("the log in meta/ has lost its end");
}

TEST_F(Damage, TheNewestSlotTellsWhatMetadataMustBeThere) {
  pool_.Close();
  for (const uint64_t sequence : {7, 1'000'000, 8}) {
    PutSlot(sequence % 100, {.epoch = 1,
                             .run_id = 77,
                             .sequence = 1,
                             .meta_sequence = sequence,
                             .span = {0, 1},
                             .digests = {}});
  }
  EXPECT_EQ(Must(Engine::KnownMetaSequence(pool_.storage(), pool_.runtime())), 1'000'000u);
}

TEST_F(Damage, MetadataOfAnEarlierEpochThanTheSlots) {
  pool_.Close();
  PutSlot(3, {.epoch = 100,
              .run_id = 77,
              .sequence = 1,
              .meta_sequence = 1,
              .span = {0, 1},
              .digests = {}});
  ExpectNotOpened("epoch 100");
}

TEST_F(Damage, NothingIsLostOnceTheDamageIsRepaired) {
  const uint64_t id = Start("src", "dst", kCrawl);
  Write("src", 8 * kExtent, Pattern(40 * kExtent, 2));
  pool_.Close();
  ASSERT_OK(pool_.storage().Rename("volumes/src", "volumes/elsewhere"));
  ExpectNotOpened("volumes/src is missing");
  ASSERT_OK(pool_.storage().Rename("volumes/elsewhere", "volumes/src"));
  ASSERT_OK(pool_.Open());
  Complete(id);
  EXPECT_EQ(Content("dst"), Filled(1));
}

// A slot of a run that has ended, of which only the evidence is left, is not believed.
TEST_F(Damage, SlotsOfOtherRunsAreIgnored) {
  const uint64_t id = MakeIn("paused");
  pool_.Close();
  PutSlot(9, {.epoch = 1,
              .run_id = 12345,
              .sequence = 1000,
              .meta_sequence = 1,
              .span = {60, 2},
              .digests = {}});
  ASSERT_OK(pool_.Open());
  Fill("src", 2);
  EXPECT_EQ(Content("dst"), Filled(1));
  EXPECT_EQ(StateOf(id), "paused");
}

}  // namespace
}  // namespace baton
