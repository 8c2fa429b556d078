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
    std::vector<std::byte> expected(kRunSize);
    const std::vector<std::byte> t0 = Pattern(kRunSize, 1);
    std::copy_n(t0.begin() + kExtent, 2 * kExtent, expected.begin() + kExtent);
    EXPECT_EQ(bench.Content(*bench.target), expected);
  });
}

TEST_F(CloneRunTest, PreservedExtentsLandByThemselves) {
  Run([&](CopyBench& bench) {
    Start(bench);
    ASSERT_OK(bench.run->Preserve({0, 1}));
    EXPECT_EQ(bench.run->progress().landing, 1u);
    EXPECT_FALSE(bench.IsRecorded(0));
    pool_.runtime().SleepFor(absl::Milliseconds(2 * limits::kLandingDelayMs));
    EXPECT_TRUE(bench.IsRecorded(0));
    EXPECT_EQ(bench.run->progress().landing, 0u);
    EXPECT_EQ(bench.run->progress().recorded, 1u);
    EXPECT_EQ(bench.log->free_slots(), limits::kIntentSlots);
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
      uint64_t bytes = 0;
      const CloneRun::Step step = Must(bench.run->CopyNext(UINT64_MAX, buffer, bytes));
      copied += bytes;
      if (step == CloneRun::Step::kDone) break;
      EXPECT_EQ(step, CloneRun::Step::kCopied);
      EXPECT_LE(bytes, buffer.size());
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
    const BufferPool::Lease buffer = pool.Acquire();
    uint64_t copied = 0;
    uint64_t bytes = 0;
    while (Must(bench.run->CopyNext(UINT64_MAX, buffer.bytes(), bytes)) != CloneRun::Step::kDone) {
      copied += bytes;
    }
    EXPECT_EQ(copied, kRunSize - 3 * kExtent);
    EXPECT_EQ(bench.run->progress().copies, 3u);
    EXPECT_TRUE(bench.IsRecorded(2));
    EXPECT_LE(Must(bench.target->file->file().AllocatedBytes()), kRunSize - 3 * kExtent);
  });
}

TEST_F(CloneRunTest, ACopyThatFailsLeavesItsExtentsPending) {
  Run([&](CopyBench& bench) {
    Start(bench);
    pool_.machine.steps().Inject(
        {.matches = [](const sim::Operation& operation) { return operation.path == "volumes/dst"; },
         .skip = 0,
         .status = absl::ResourceExhaustedError("full"),
         .sticky = false});
    EXPECT_CODE(bench.run->Preserve({0, 1}), kResourceExhausted);
    EXPECT_EQ(bench.run->copied().count(), 0u);
    EXPECT_EQ(bench.log->free_slots(), limits::kIntentSlots);
    EXPECT_EQ(bench.run->claims().copying(), 0u);
    EXPECT_OK(bench.run->Preserve({0, 1})) << "and may be tried again";
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
