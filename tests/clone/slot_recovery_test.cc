#include "engine/clone/slot_recovery.h"

#include <gtest/gtest.h>

#include "tests/clone/pool.h"

namespace baton {
namespace {

constexpr uint64_t kExtentBytes = 2 * kBlock;
constexpr uint64_t kRecoveredSize = 4 * kExtentBytes;

// A run whose extents 1 and 2 are in the ring and nowhere else, and the same run as the next
// controller finds it.
class SlotRecoveryTest : public testing::Test {
 protected:
  void Run(const std::function<void(CopyBench&)>& body) {
    pool_.runtime().Run([&] {
      CopyBench bench(pool_, kRecoveredSize);
      ASSERT_OK(bench.source->path.Write(0, Pattern(kRecoveredSize, 1)));
      bench.run->SetPhase(CloneRun::Phase::kActive);
      ASSERT_OK(bench.run->Preserve({1, 2}));
      next_ = bench.MakeRun({.run_id = 10, .geometry = bench.geometry});
      body(bench);
      next_ = nullptr;
    });
  }

  absl::Status Recover(CopyBench& bench) {
    const std::unique_ptr<IntentLog> log =
        Must(IntentLog::Open(pool_.storage(), pool_.runtime(), 1));
    const AlignedBlocks buffer(limits::kRingDataBytes);
    SlotRecovery recovery(*log, bench.catalog, buffer.bytes());
    recovery.AddRun(next_);
    MetaBatch batch;
    const absl::Status status = recovery.Run(batch);
    failures_ = recovery.failures();
    if (!status.ok()) return status;
    return bench.catalog.Commit(std::move(batch), Durable::kYes);
  }

  std::vector<std::byte> OnlyPreserved() {
    std::vector<std::byte> expected(kRecoveredSize);
    const std::vector<std::byte> t0 = Pattern(kRecoveredSize, 1);
    std::copy_n(t0.begin() + kExtentBytes, 2 * kExtentBytes, expected.begin() + kExtentBytes);
    return expected;
  }

  SimPool pool_;
  std::shared_ptr<CloneRun> next_;
  std::map<uint64_t, absl::Status> failures_;
};

TEST_F(SlotRecoveryTest, DataOfTheRingIsBroughtToTheTarget) {
  Run([&](CopyBench& bench) {
    ASSERT_OK(Recover(bench));
    EXPECT_TRUE(next_->copied().AllSet({1, 2}));
    EXPECT_EQ(next_->copied().count(), 2u);
    EXPECT_EQ(next_->progress().copies, 2u);
    EXPECT_EQ(bench.Content(*bench.target), OnlyPreserved());
    EXPECT_TRUE(bench.IsRecorded(1) && bench.IsRecorded(2));
    EXPECT_TRUE(failures_.empty());
  });
}

TEST_F(SlotRecoveryTest, RecoveringOnceMoreChangesNothing) {
  Run([&](CopyBench& bench) {
    ASSERT_OK(Recover(bench));
    next_ = bench.MakeRun({.run_id = 10, .geometry = bench.geometry});
    ASSERT_OK(Recover(bench));
    EXPECT_EQ(next_->copied().count(), 2u);
    EXPECT_EQ(bench.Content(*bench.target), OnlyPreserved());
  });
}

TEST_F(SlotRecoveryTest, OfTornDataTheExtentsThatAreWholeAreBelieved) {
  Run([&](CopyBench& bench) {
    uint64_t entry = 0;
    ASSERT_OK(
        ForEachIntentSlot(pool_.storage(), pool_.runtime(), [&](uint64_t found, const IntentSlot&) {
          entry = found;
          return absl::OkStatus();
        }));
    pool_.storage().Poke("intents", RingShape().OffsetOf(entry) + kBlock + kExtentBytes + 700,
                         BytesOf("torn"));
    ASSERT_OK(Recover(bench));
    EXPECT_TRUE(next_->copied().Test(1));
    EXPECT_FALSE(next_->copied().Test(2));
    EXPECT_FALSE(bench.IsRecorded(2));
    EXPECT_TRUE(failures_.empty());
  });
}

TEST_F(SlotRecoveryTest, ExtentsThatAreRecordedAreLeftAlone) {
  Run([&](CopyBench& bench) {
    next_->Restore({0, 4});
    ASSERT_OK(Recover(bench));
    EXPECT_EQ(bench.Content(*bench.target), std::vector<std::byte>(kRecoveredSize));
  });
}

TEST_F(SlotRecoveryTest, ATargetThatDoesNotTakeItsDataFailsItsRunAndNothingElse) {
  Run([&](CopyBench& bench) {
    pool_.machine.steps().Inject(
        {.matches = [](const sim::Operation& operation) { return operation.path == "volumes/dst"; },
         .skip = 0,
         .status = absl::ResourceExhaustedError("full"),
         .sticky = true});
    ASSERT_OK(Recover(bench));
    pool_.machine.steps().ClearFaults();
    ASSERT_EQ(failures_.size(), 1u);
    EXPECT_CODE(failures_.at(10), kResourceExhausted);
    EXPECT_EQ(next_->copied().count(), 0u);
  });
}

}  // namespace
}  // namespace baton
