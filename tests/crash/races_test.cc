// What happens between two steps of a thread, at a race point (engine/base/race_point.h).
#include <gtest/gtest.h>

#include "engine/base/mutant.h"
#include "engine/base/race_point.h"
#include "engine/clone/log_drain.h"
#include "engine/clone/redirects.h"
#include "engine/engine.h"
#include "tests/clone/pool.h"

namespace baton {
namespace {

constexpr uint64_t kExtentBytes = 2 * kBlock;

class RacePoint : public testing::Test {
 protected:
  ~RacePoint() override { at_race_point = nullptr; }

  SimPool pool_;
};

TEST_F(RacePoint, AReadOfATargetFromItsBeginningWhoseFirstExtentIsCopiedMeanwhileShowsT0) {
  for (const uint64_t first : {0, 1}) {
    pool_.runtime().Run([&] {
      CopyBench bench(pool_, 6 * kExtentBytes);
      const std::vector<std::byte> t0 = Pattern(bench.geometry.size_bytes, 1);
      ASSERT_OK(bench.source->path.Write(0, t0));
      bench.run->SetPhase(CloneRun::Phase::kActive);
      at_race_point = [&] {
        at_race_point = nullptr;
        EXPECT_OK(bench.run->Preserve({first, 1}));
        EXPECT_OK(bench.source->file->Write(first * kExtentBytes, Pattern(kExtentBytes, 9)));
      };
      std::vector<std::byte> out(3 * kExtentBytes);
      ASSERT_OK(bench.run->ReadTarget(*bench.target->file, first * kExtentBytes, out));
      EXPECT_TRUE(std::equal(out.begin(), out.end(), t0.begin() + first * kExtentBytes));
    });
  }
}

// The writes that needed it were answered long ago: a read that waits for what the intent log has
// sees T0 or an error, however the clone ends meanwhile.
class StopUnderARead : public RacePoint {
 protected:
  ~StopUnderARead() override { active_mutant = Mutant::kNone; }

  // Whether a read was answered with something else: a write that fails may have had its effect or
  // not, as the seed wants it.
  bool ShowsSomethingElse() {
    bool shows = false;
    for (uint64_t seed = 1; seed <= 20; ++seed) shows |= ShowsSomethingElse(seed);
    return shows;
  }
  bool ShowsSomethingElse(uint64_t seed);
};

bool StopUnderARead::ShowsSomethingElse(uint64_t seed) {
  bool shows = false;
  OpenFence fence;
  SimPool pool(seed);
  pool.runtime().Run([&] {
    const std::unique_ptr<Engine> engine = Must(Engine::Open({.storage = pool.storage(),
                                                              .runtime = pool.runtime(),
                                                              .fence = fence,
                                                              .meta = pool.machine.meta().Open(),
                                                              .epoch = 1,
                                                              .node = "sim",
                                                              .request_buffers = 4,
                                                              .copy_buffers = 2,
                                                              .hold_copiers = true,
                                                              .write_log_shape = {.segments = 0},
                                                              .on_fault = {}}));
    for (const char* name : {"src", "dst"}) {
      ASSERT_OK(engine->CreateVolume({.name = name, .size_bytes = 8 * kExtentBytes}));
    }
    const auto open = [&](const char* name) {
      return Must(engine->OpenVolume(Must(engine->ShowVolume(name)).id()));
    };
    const std::vector<std::byte> t0 = Pattern(kExtentBytes, 1);
    ASSERT_OK(open("src")->Write(0, t0));
    const uint64_t id =
        Must(engine->CreateClone({.source = "src", .target = "dst", .extent_bytes = kExtentBytes}));
    ASSERT_OK(engine->ActivateClones({id}));
    ASSERT_OK(engine->StartClones({id}));
    pool.machine.steps().Inject(
        {.matches = sim::Matching(sim::OperationKind::kWrite, "volumes/dst"),
         .status = absl::ResourceExhaustedError("full"),
         .sticky = true});
    ASSERT_OK(open("src")->Write(0, Pattern(kExtentBytes, 2)));
    // The stop rests when its change is over, for longer than the writeback needs.
    at_race_point = [&] {
      at_race_point = nullptr;
      pool.runtime().SleepFor(absl::Milliseconds(100));
    };
    std::unique_ptr<Thread> stop =
        pool.runtime().StartThread("stop", [&] { EXPECT_OK(engine->StopClone(id)); });
    pool.runtime().SleepFor(absl::Milliseconds(10));
    std::vector<std::byte> out(kExtentBytes);
    const absl::Status read = open("dst")->Read(0, out);
    shows = read.ok() && out != t0;
    stop.reset();
    EXPECT_CODE(open("dst")->Read(0, out), kFailedPrecondition);
  });
  return shows;
}

TEST_F(StopUnderARead, ShowsT0OrAnErrorWhenTheTargetRefusesData) {
  EXPECT_FALSE(ShowsSomethingElse());
}

TEST_F(StopUnderARead, WouldNotIfTheRunEndedOnlyAfterTheChange) {
  active_mutant = Mutant::kStopEndsRunLate;
  EXPECT_TRUE(ShowsSomethingElse());
}

// Its data may be the only T0 content of what hosts have overwritten.
class EntryOfAFailure : public RacePoint {
 protected:
  ~EntryOfAFailure() override { active_mutant = Mutant::kNone; }

  // How many entries are free when the failure of a run is about to be made durable, whose target
  // refuses what one entry holds.
  size_t FreeEntries() {
    size_t free_entries = 0;
    pool_.runtime().Run([&] {
      CopyBench bench(pool_, 8 * kExtentBytes);
      LogWriteback writeback(pool_.runtime(), *bench.log, *bench.committer, bench.fault,
                             [&](uint64_t, const absl::Status& why) {
                               EXPECT_CODE(why, kResourceExhausted);
                               free_entries = bench.log->free_entries();
                               return absl::OkStatus();
                             });
      pool_.machine.steps().Inject(
          {.matches = sim::Matching(sim::OperationKind::kWrite, "volumes/dst"),
           .status = absl::ResourceExhaustedError("full"),
           .sticky = true});
      Progress progress{.run_id = 10};
      progress.landing = 1;
      writeback.Enqueue({progress, {0, 1}, {}, Must(bench.log->Acquire())}, *bench.target->file, 0,
                        kExtentBytes);
      EXPECT_OK(writeback.WaitWrittenBack(progress, {0, 1}));
      writeback.Stop();
      EXPECT_EQ(bench.log->free_entries(), limits::kLogEntries) << "once it is durable";
      pool_.machine.steps().ClearFaults();
    });
    return free_entries;
  }
};

TEST_F(EntryOfAFailure, IsKeptUntilTheFailureIsDurable) {
  EXPECT_EQ(FreeEntries(), limits::kLogEntries - 1);
}

TEST_F(EntryOfAFailure, WouldNotBeIfItWereFreedBefore) {
  active_mutant = Mutant::kEntryFreedBeforeFailure;
  EXPECT_EQ(FreeEntries(), limits::kLogEntries);
}

// Another host writes to the same block after the write log was drained of it and before the merged
// block is logged: with the clone at its end, nothing but the merge itself keeps it waiting. It
// looks whether there is one at once, or has looked into the log and goes on when the merge is
// over.
class MergeAtTheEnd : public RacePoint {
 protected:
  enum class Other { kLooksAtOnce, kLooksInBetween };
  ~MergeAtTheEnd() override { active_mutant = Mutant::kNone; }

  bool LosesAWrite(Other how);
};

bool MergeAtTheEnd::LosesAWrite(Other how) {
  SimPool pool;
  bool loses = false;
  pool.runtime().Run([&] {
    CopyBench bench(pool, 4 * kBlock);
    const auto log = Must(WriteLog::Open({.storage = pool.storage(),
                                          .runtime = pool.runtime(),
                                          .fence = bench.fence,
                                          .fault = bench.fault,
                                          .epoch = 1,
                                          .shape = {.segments = 4, .segment_blocks = 32},
                                          .meta_sequence = [] { return 0; }}));
    CloneLocks locks(pool.runtime());
    const VolumeTable volumes;
    Redirects redirects(pool.runtime(), *log, volumes);
    LogDrain drain(pool.runtime(), *log, redirects, bench.fault,
                   [](uint64_t, const absl::Status& why) { return why; });
    drain.Start();
    const auto let_it_drain = [&] { pool.runtime().SleepFor(absl::Milliseconds(300)); };
    std::vector<std::byte> expected = Pattern(4 * kBlock, 1);
    const auto write = [&](uint64_t offset, const std::vector<std::byte>& data) {
      EXPECT_OK(bench.source->path.Write(offset, data));
      std::copy(data.begin(), data.end(), expected.begin() + static_cast<ptrdiff_t>(offset));
    };
    write(0, expected);
    redirects.Add(CloneLocks::Command(locks), bench.run);
    bench.run->SetPhase(CloneRun::Phase::kActive);
    let_it_drain();
    write(kBlock, Pattern(kBlock, 2));
    std::unique_ptr<Thread> other;
    int passed = 0;
    bool is_merged = false;
    at_race_point = [&] {
      ++passed;
      if (passed < 3) return;  // what is before and behind is read
      while (passed > 3 && how == Other::kLooksInBetween && !is_merged) let_it_drain();
      if (passed > 3) return;
      bench.run->SetPhase(CloneRun::Phase::kOver);
      let_it_drain();
      other = pool.runtime().StartThread("other", [&] { write(kBlock + 1000, Pattern(10, 4)); });
      let_it_drain();
    };
    write(kBlock + 100, Pattern(10, 3));
    is_merged = true;
    EXPECT_NE(other, nullptr);
    other.reset();
    at_race_point = nullptr;
    std::vector<std::byte> content(expected.size());
    EXPECT_OK(bench.source->path.Read(0, content));
    loses = content != expected;
    log->Stop();
    drain.Stop();
  });
  return loses;
}

TEST_F(MergeAtTheEnd, LosesNoWriteBesideIt) {
  EXPECT_FALSE(LosesAWrite(Other::kLooksAtOnce));
  EXPECT_FALSE(LosesAWrite(Other::kLooksInBetween));
}

TEST_F(MergeAtTheEnd, WouldLoseOneIfItsEndWereNotSeen) {
  active_mutant = Mutant::kMergeIsOvertaken;
  EXPECT_TRUE(LosesAWrite(Other::kLooksInBetween));
}

}  // namespace
}  // namespace baton
