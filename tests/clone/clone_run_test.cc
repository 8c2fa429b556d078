// One run of a clone, step by step, on a simulated machine.
#include "engine/clone/clone_run.h"

#include <gtest/gtest.h>

#include "tests/clone/pool.h"

namespace baton {
namespace {

constexpr uint64_t kExtent = 2 * kBlock;
constexpr uint64_t kRunSize = 6 * kExtent - kBlock;  // the last extent is half of one

class CloneRunTest : public testing::Test {
 protected:
  void Run(const std::function<void(CopyBench&)>& body) {
    pool_.runtime().Run([&] {
      CopyBench bench(pool_, kRunSize);
      ASSERT_OK(bench.source->path.Write(0, Pattern(kRunSize, 1)));
      body(bench);
    });
  }
  void Start(CopyBench& bench) { bench.run->SetPhase(CloneRun::Phase::kActive); }
  // The next write to the file fails.
  void FailWrites(const std::string& path) {
    pool_.machine.steps().Inject({.matches = sim::Matching(sim::OperationKind::kWrite, path),
                                  .status = absl::ResourceExhaustedError("full")});
  }

  SimPool pool_;
};

TEST_F(CloneRunTest, BeforeT0TheTargetIsOffline) {
  Run([&](CopyBench& bench) {
    std::vector<std::byte> out(kBlock);
    EXPECT_CODE(bench.run->ReadTarget(*bench.target->file, 0, out), kFailedPrecondition);
    EXPECT_OK(bench.run->Preserve({0, 6})) << "nothing to preserve yet";
    EXPECT_EQ(bench.run->copied().count(), 0u);
  });
}

TEST_F(CloneRunTest, PreserveCopiesWhatIsWantedAndNothingElse) {
  Run([&](CopyBench& bench) {
    Start(bench);
    ASSERT_OK(bench.run->Preserve({1, 2}));
    EXPECT_TRUE(bench.run->copied().AllSet({1, 2}));
    EXPECT_EQ(bench.run->copied().count(), 2u);
    pool_.runtime().SleepFor(absl::Milliseconds(2 * limits::kWritebackDelayMs));
    std::vector<std::byte> expected(kRunSize);
    const std::vector<std::byte> t0 = Pattern(kRunSize, 1);
    std::copy_n(t0.begin() + kExtent, 2 * kExtent, expected.begin() + kExtent);
    EXPECT_EQ(bench.Content(*bench.target), expected);
  });
}

TEST_F(CloneRunTest, WhatIsPreservedIsInTheLogBeforeItIsInTheTarget) {
  Run([&](CopyBench& bench) {
    Start(bench);
    ASSERT_OK(bench.run->Preserve({1, 1}));
    EXPECT_EQ(bench.run->progress().in_log, 1u);
    EXPECT_EQ(bench.Content(*bench.target), std::vector<std::byte>(kRunSize)) << "not yet";
    const std::vector<std::byte> t0 = Pattern(kRunSize, 1);
    int slots = 0;
    ASSERT_OK(ForEachIntentSlot(
        pool_.storage(), pool_.runtime(), [&](uint64_t entry, const IntentSlot& slot) {
          EXPECT_EQ(slot.span.first, 1u);
          EXPECT_EQ(slot.data_bytes, kExtent);
          AlignedBlocks data(kExtent);
          EXPECT_OK(bench.log->ReadData(entry, 0, data.bytes()));
          EXPECT_TRUE(std::equal(data.bytes().begin(), data.bytes().end(), t0.begin() + kExtent));
          ++slots;
          return absl::OkStatus();
        }));
    EXPECT_EQ(slots, 1);
  });
}

TEST_F(CloneRunTest, PreservedExtentsLandByThemselves) {
  Run([&](CopyBench& bench) {
    Start(bench);
    ASSERT_OK(bench.run->Preserve({0, 1}));
    EXPECT_EQ(bench.run->progress().landing, 1u);
    EXPECT_FALSE(bench.IsRecorded(0));
    pool_.runtime().SleepFor(
        absl::Milliseconds(2 * (limits::kWritebackDelayMs + limits::kLandingDelayMs)));
    EXPECT_TRUE(bench.IsRecorded(0));
    EXPECT_EQ(bench.run->progress().in_log, 0u);
    EXPECT_EQ(bench.run->progress().landing, 0u);
    EXPECT_EQ(bench.run->progress().recorded, 1u);
    EXPECT_EQ(bench.log->free_entries(), limits::kLogEntries);
  });
}

TEST_F(CloneRunTest, PreserveAndLandReturnsWhenTheBitsAreDurable) {
  Run([&](CopyBench& bench) {
    Start(bench);
    ASSERT_OK(bench.run->PreserveAndLand({0, 1}));
    EXPECT_TRUE(bench.IsRecorded(0));
  });
}

TEST_F(CloneRunTest, ReadingTheTargetShowsT0WhateverIsCopied) {
  Run([&](CopyBench& bench) {
    Start(bench);
    ASSERT_OK(bench.run->Preserve({1, 1}));
    ASSERT_OK(bench.source->file->Write(kExtent, Pattern(kExtent, 9)));  // only what is copied
    std::vector<std::byte> out(kRunSize);
    ASSERT_OK(bench.run->ReadTarget(*bench.target->file, 0, out));
    EXPECT_EQ(out, Pattern(kRunSize, 1));
    std::vector<std::byte> middle(kExtent);
    ASSERT_OK(bench.run->ReadTarget(*bench.target->file, kExtent / 2 + 64, middle));
    EXPECT_TRUE(std::equal(middle.begin(), middle.end(), out.begin() + kExtent / 2 + 64));
  });
}

TEST_F(CloneRunTest, CopyNextCopiesAllAndSaysSo) {
  Run([&](CopyBench& bench) {
    Start(bench);
    std::vector<std::byte> memory(5 * kBlock + 4096);
    const auto address = reinterpret_cast<uintptr_t>(memory.data());
    const MutableBytes buffer = MutableBytes(memory).subspan(4096 - address % 4096, 4 * kBlock);
    uint64_t copied = 0;
    for (int steps = 0; steps < 10; ++steps) {
      CloneRun::Attempt attempt;
      const CloneRun::Step step = Must(bench.run->CopyNext(UINT64_MAX, buffer, attempt));
      copied += attempt.bytes;
      if (step == CloneRun::Step::kDone) break;
      EXPECT_EQ(step, CloneRun::Step::kCopied);
      EXPECT_LE(attempt.bytes, buffer.size());
    }
    EXPECT_EQ(copied, kRunSize);
    EXPECT_EQ(bench.Content(*bench.target), Pattern(kRunSize, 1));
    EXPECT_EQ(bench.run->progress().recorded, 6u);
    EXPECT_EQ(bench.run->progress().copies, 6u);
  });
}

TEST_F(CloneRunTest, HolesAreRecordedAndNotCopied) {
  Run([&](CopyBench& bench) {
    ASSERT_OK(bench.source->file->Discard(kExtent, 3 * kExtent));
    Start(bench);
    BufferPool pool(pool_.runtime(), 1, 4 * kBlock);
    const BufferPool::Handle buffer = pool.Acquire();
    uint64_t copied = 0;
    CloneRun::Attempt step;
    while (Must(bench.run->CopyNext(UINT64_MAX, buffer.bytes(), step)) != CloneRun::Step::kDone) {
      copied += step.bytes;
    }
    EXPECT_EQ(copied, kRunSize - 3 * kExtent);
    EXPECT_EQ(bench.run->progress().copies, 3u);
    EXPECT_TRUE(bench.IsRecorded(2));
    EXPECT_LE(Must(bench.target->file->file().AllocatedBytes()), kRunSize - 3 * kExtent);
  });
}

TEST_F(CloneRunTest, ZerosAreRecordedByASlotAndWrittenNowhere) {
  for (const bool fails_writes : {false, true}) {
    for (const bool is_hole : {false, true}) {
      Run([&](CopyBench& bench) {
        bench.run =
            bench.MakeRun({.run_id = 10, .fails_writes = fails_writes, .geometry = bench.geometry});
        ASSERT_OK(bench.source->file->Discard(kExtent, kExtent));
        if (!is_hole) {
          ASSERT_OK(bench.source->file->Write(kExtent, std::vector<std::byte>(kExtent)));
        }
        Start(bench);
        ASSERT_OK(bench.run->Preserve({1, 1}));
        EXPECT_EQ(bench.run->progress().in_log, 0u);
        ASSERT_OK(bench.source->file->Write(kExtent, Pattern(kExtent, 9)));
        ASSERT_OK(bench.run->Drain());
        EXPECT_TRUE(bench.IsRecorded(1));
        EXPECT_EQ(Must(bench.target->file->file().AllocatedBytes()), 0u);
        std::vector<std::byte> out(kExtent);
        ASSERT_OK(bench.run->ReadTarget(*bench.target->file, kExtent, out));
        EXPECT_EQ(out, std::vector<std::byte>(kExtent));
      });
    }
  }
}

TEST_F(CloneRunTest, ALongDiscardOverAHoleIsRecordedAtOnce) {
  constexpr uint64_t kLong = 1000 * kExtent;
  pool_.runtime().Run([&] {
    CopyBench bench(pool_, kLong);
    ASSERT_OK(bench.source->path.Write(500 * kExtent, Pattern(kExtent, 1)));
    Start(bench);
    const uint64_t before = pool_.machine.steps().count();
    ASSERT_OK(bench.run->Preserve({0, 1000}));
    EXPECT_LT(pool_.machine.steps().count() - before, 20u) << "two holes and an extent";
    EXPECT_EQ(bench.run->copied().count(), 1000u);
    ASSERT_OK(bench.run->Drain());
    EXPECT_EQ(bench.Content(*bench.target), bench.Content(*bench.source));
    EXPECT_LE(Must(bench.target->file->file().AllocatedBytes()), kExtent);
  });
}

TEST_F(CloneRunTest, ACopyThatFailsLeavesItsExtentsPending) {
  for (const bool fails_writes : {false, true}) {
    Run([&](CopyBench& bench) {
      bench.run =
          bench.MakeRun({.run_id = 10, .fails_writes = fails_writes, .geometry = bench.geometry});
      Start(bench);
      FailWrites(fails_writes ? "volumes/dst" : "intents");
      EXPECT_CODE(bench.run->Preserve({0, 1}), kResourceExhausted);
      EXPECT_EQ(bench.run->copied().count(), 0u);
      EXPECT_EQ(bench.log->free_entries(), limits::kLogEntries);
      EXPECT_EQ(bench.run->locks().copying(), 0u);
      EXPECT_OK(bench.run->Preserve({0, 1})) << "and may be tried again";
    });
  }
}

TEST_F(CloneRunTest, AnErrorThatIsGoneAtTheNextAttemptFailsNeitherAWriteNorTheClone) {
  for (const bool fails_writes : {false, true}) {
    for (const std::string path : {"volumes/src", "volumes/dst", "intents"}) {
      SCOPED_TRACE(path);
      Run([&](CopyBench& bench) {
        bench.run =
            bench.MakeRun({.run_id = 10, .fails_writes = fails_writes, .geometry = bench.geometry});
        Start(bench);
        pool_.machine.steps().Inject(
            {.matches = [path](const sim::Operation& operation) { return operation.path == path; },
             .status = absl::DataLossError("input/output error")});
        EXPECT_OK(bench.run->Preserve({0, 1}));
        EXPECT_OK(bench.run->Drain());
        EXPECT_OK(bench.failure);
        EXPECT_TRUE(bench.IsRecorded(0));
        pool_.machine.steps().ClearFaults();
      });
    }
  }
}

TEST_F(CloneRunTest, WhereWritesFailInsteadOfTheCloneTheTargetHasTheDataBeforeTheWriteGoesOn) {
  Run([&](CopyBench& bench) {
    bench.run = bench.MakeRun({.run_id = 10, .fails_writes = true, .geometry = bench.geometry});
    Start(bench);
    ASSERT_OK(bench.run->Preserve({0, 6}));
    EXPECT_EQ(bench.run->progress().in_log, 0u);
    EXPECT_EQ(bench.Content(*bench.target), Pattern(kRunSize, 1));
  });
}

TEST_F(CloneRunTest, ATargetThatDoesNotTakePreservedDataEndsTheRun) {
  Run([&](CopyBench& bench) {
    Start(bench);
    FailWrites("volumes/dst");
    ASSERT_OK(bench.run->Preserve({0, 1}));
    std::vector<std::byte> out(kBlock);
    EXPECT_CODE(bench.run->ReadTarget(*bench.target->file, 0, out), kFailedPrecondition);
    EXPECT_CODE(bench.failure, kResourceExhausted);
    EXPECT_OK(bench.run->Drain());
    EXPECT_FALSE(bench.IsRecorded(0));
    EXPECT_EQ(bench.run->progress().landing, 0u);
    EXPECT_EQ(bench.log->free_entries(), limits::kLogEntries);
  });
}

TEST_F(CloneRunTest, MoreWritesThanTheLogHasEntriesWaitForRoom) {
  constexpr uint64_t kLong = (limits::kLogEntries + 40) * kExtent;
  pool_.runtime().Run([&] {
    CopyBench bench(pool_, kLong);
    ASSERT_OK(bench.source->path.Write(0, Pattern(kLong, 1)));
    Start(bench);
    for (uint64_t extent = 0; extent < bench.geometry.extents(); ++extent) {
      ASSERT_OK(bench.run->Preserve({extent, 1}));
    }
    ASSERT_OK(bench.run->Drain());
    EXPECT_EQ(bench.Content(*bench.target), Pattern(kLong, 1));
    EXPECT_EQ(bench.run->progress().recorded, bench.geometry.extents());
  });
}

TEST_F(CloneRunTest, AfterItsEndNothingIsPreservedAndTheTargetIsOffline) {
  Run([&](CopyBench& bench) {
    Start(bench);
    bench.run->SetPhase(CloneRun::Phase::kOver);
    EXPECT_OK(bench.run->Preserve({0, 6}));
    EXPECT_EQ(bench.run->progress().copies, 0u);
    EXPECT_CODE(bench.run->CheckReadable(), kFailedPrecondition);
    EXPECT_OK(bench.run->Drain());
  });
}

}  // namespace
}  // namespace baton
