#include "engine/clone/slot_recovery.h"

#include <gtest/gtest.h>

#include "tests/clone/pool.h"

namespace baton {
namespace {

constexpr uint64_t kExtentBytes = 2 * kBlock;
constexpr uint64_t kRecoveredSize = 4 * kExtentBytes;

// A run whose extents 1 and 2 are in the intent log and nowhere else, and the same run as the next
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
    const AlignedBlocks buffer(limits::kLogDataBytes);
    SlotRecovery recovery(pool_.runtime(), *log, bench.catalog, buffer.bytes());
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

TEST_F(SlotRecoveryTest, DataOfTheLogIsBroughtToTheTarget) {
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
    pool_.storage().Poke("intents", LogShape().OffsetOf(entry) + kBlock + kExtentBytes + 700,
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
         .status = absl::ResourceExhaustedError("full"),
         .sticky = true});
    ASSERT_OK(Recover(bench));
    pool_.machine.steps().ClearFaults();
    ASSERT_EQ(failures_.size(), 1u);
    EXPECT_CODE(failures_.at(10), kResourceExhausted);
    EXPECT_EQ(next_->copied().count(), 0u);
  });
}

// What reads of `path` that `matches` get from now on.
void FailReads(sim::SimMachine& machine, const std::string& path, bool sticky,
               std::function<bool(const sim::Operation&)> matches) {
  machine.steps().Inject({.matches =
                              [path, matches](const sim::Operation& operation) {
                                return operation.kind == sim::OperationKind::kRead &&
                                       operation.path == path && matches(operation);
                              },
                          .status = absl::DataLossError("input/output error"),
                          .sticky = sticky});
}

bool IsSlot(const sim::Operation& operation) {
  return operation.offset % LogShape().entry_bytes() == 0;
}

TEST_F(SlotRecoveryTest, ZerosThatOnlyASlotStandsForAreRecorded) {
  Run([&](CopyBench& bench) {
    ASSERT_OK(bench.source->file->Discard(3 * kExtentBytes, kExtentBytes));
    ASSERT_OK(bench.run->Preserve({3, 1}));
    ASSERT_OK(Recover(bench));
    EXPECT_TRUE(next_->copied().AllSet({1, 3}));
    EXPECT_EQ(bench.Content(*bench.target), OnlyPreserved());
  });
}

TEST_F(SlotRecoveryTest, DataOfTheLogThatCannotBeReadFailsItsRun) {
  Run([&](CopyBench& bench) {
    FailReads(pool_.machine, "intents", true, [](const auto& read) { return !IsSlot(read); });
    ASSERT_OK(Recover(bench));
    pool_.machine.steps().ClearFaults();
    ASSERT_EQ(failures_.size(), 1u);
    EXPECT_CODE(failures_.at(10), kDataLoss);
    EXPECT_EQ(next_->copied().count(), 0u);
  });
}

TEST_F(SlotRecoveryTest, AnExtentOfATargetThatCannotBeReadFailsItsRun) {
  Run([&](CopyBench& bench) {
    const auto direct =
        bench.MakeRun({.run_id = 11, .fails_writes = true, .geometry = bench.geometry});
    direct->SetPhase(CloneRun::Phase::kActive);
    ASSERT_OK(direct->Preserve({0, 1}));
    next_ = bench.MakeRun({.run_id = 11, .geometry = bench.geometry});
    FailReads(pool_.machine, "volumes/dst", true, [](const auto&) { return true; });
    ASSERT_OK(Recover(bench));
    pool_.machine.steps().ClearFaults();
    ASSERT_EQ(failures_.size(), 1u);
    EXPECT_CODE(failures_.at(11), kDataLoss);
    EXPECT_OK(direct->Drain());
  });
}

TEST_F(SlotRecoveryTest, ASlotThatCannotBeReadFailsTheRunsThatAreNotFinished) {
  for (const bool is_finished : {false, true}) {
    Run([&](CopyBench& bench) {
      if (is_finished) next_->Restore({0, 4});
      FailReads(pool_.machine, "intents", true,
                [](const auto& read) { return read.offset == LogShape().OffsetOf(5); });
      ASSERT_OK(Recover(bench));
      pool_.machine.steps().ClearFaults();
      EXPECT_EQ(failures_.size(), is_finished ? 0u : 1u);
    });
  }
}

TEST_F(SlotRecoveryTest, AnErrorThatIsGoneAtTheNextAttemptChangesNothing) {
  Run([&](CopyBench& bench) {
    FailReads(pool_.machine, "intents", false, [](const auto& read) { return IsSlot(read); });
    FailReads(pool_.machine, "intents", false, [](const auto& read) { return !IsSlot(read); });
    ASSERT_OK(Recover(bench));
    EXPECT_TRUE(failures_.empty());
    EXPECT_TRUE(next_->copied().AllSet({1, 2}));
    pool_.machine.steps().ClearFaults();
  });
}

TEST_F(SlotRecoveryTest, ARingOfWhichNothingCanBeReadIsAnErrorOfTheStorage) {
  Run([&](CopyBench& bench) {
    FailReads(pool_.machine, "intents", true, [](const auto&) { return true; });
    EXPECT_CODE(Recover(bench), kDataLoss);
    pool_.machine.steps().ClearFaults();
    EXPECT_TRUE(failures_.empty());
  });
}

}  // namespace
}  // namespace baton
