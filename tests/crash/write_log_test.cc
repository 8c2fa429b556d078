// Rules of the write log that random worlds break too seldom: a scene for each, which shows that
// the rule holds, and that it would be noticed if it did not.
#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <string>

#include "engine/base/mutant.h"
#include "engine/base/race_point.h"
#include "tests/write_log/log_bench.h"

namespace baton {
namespace {

constexpr int kSeeds = 60;

// Whether something was wrong.
using Scene = std::function<bool(LogBench& bench)>;

std::vector<std::byte> Tagged(uint8_t tag) { return Pattern(kLogBlock, tag); }

bool LosesAFlushedWrite(LogBench& bench) {
  bench.Run([&] {
    EXPECT_TRUE(bench.Append(3, Tagged(1)));
    EXPECT_OK(bench.log_->Sync(bench.Volume()));
  });
  bench.LosePower();
  bool loses = false;
  bench.Run([&] { loses = bench.Read(3 * kLogBlock, kLogBlock) != Tagged(1); });
  return loses;
}

bool LosesADurableWrite(LogBench& bench) {
  bench.durable_ = true;
  bench.Run([&] { EXPECT_TRUE(bench.Append(3, Tagged(1))); });
  bench.LosePower();
  bool loses = false;
  bench.Run([&] { loses = bench.Read(3 * kLogBlock, kLogBlock) != Tagged(1); });
  return loses;
}

// The newer write is in the next segment, and not flushed.
bool LosesAFlushedWriteThatWasOverwritten(LogBench& bench) {
  bench.Run([&] {
    EXPECT_TRUE(bench.Append(3, Tagged(1)));
    EXPECT_OK(bench.log_->Sync(bench.Volume()));
    for (uint64_t i = 0; i < 3; ++i) EXPECT_TRUE(bench.Append(10 + i, Tagged(7)));
    EXPECT_TRUE(bench.Append(3, Tagged(2), 1, WriteLog::Want::kLogged));
    bench.DrainOne();
  });
  bench.LosePower();
  bool loses = false;
  bench.Run([&] {
    const std::vector<std::byte> now = bench.Read(3 * kLogBlock, kLogBlock);
    loses = now != Tagged(1) && now != Tagged(2);
  });
  return loses;
}

// What replaced it is in a segment that is full, and not flushed.
bool BelievesAListOfWhatIsLost(LogBench& bench) {
  bench.Run([&] {
    EXPECT_TRUE(bench.Append(3, Tagged(1)));
    EXPECT_OK(bench.log_->Sync(bench.Volume()));
    for (uint64_t i = 0; i < 3; ++i) EXPECT_TRUE(bench.Append(10 + i, Tagged(7)));
    for (uint64_t i = 0; i < 5; ++i) {
      EXPECT_TRUE(bench.Append(3, Tagged(2), 1, WriteLog::Want::kLogged));
    }
    bench.Rest();
  });
  bench.LosePower();
  bool believes = false;
  bench.Run([&] {
    const std::vector<std::byte> now = bench.Read(3 * kLogBlock, kLogBlock);
    believes = now != Tagged(1) && now != Tagged(2);
  });
  return believes;
}

// The log has nothing of the block any more, so a host writes to the file.
bool ReplaysOverWhatCameLater(LogBench& bench) {
  bool wrote = false;
  bench.machine_.runtime().Run([&] {
    bench.MakePool();
    bench.Open();
    EXPECT_TRUE(bench.Append(3, Tagged(1)));
    std::unique_ptr<Thread> drain = bench.machine_.runtime().StartThread("drain", [&] {
      if (const std::optional<WriteLog::Batch> batch = bench.log_->Take()) {
        (void)bench.log_->Free(*batch);
      }
    });
    while (bench.log_->Has(bench.Volume(), 3 * kLogBlock, kLogBlock)) {
      bench.machine_.runtime().SleepFor(absl::Microseconds(10));
    }
    wrote = bench.plain_.Write(3 * kLogBlock, Tagged(2)).ok();
    bench.expects_fault_ = true;
    bench.machine_.steps().CrashNow(sim::CrashKind::kProcess);
    drain.reset();
    bench.log_.reset();
  });
  bench.machine_.Restart();
  bool replays = false;
  bench.Run([&] { replays = bench.Read(3 * kLogBlock, kLogBlock) != Tagged(2); });
  return wrote && replays;
}

// What its writer never acknowledged lands when the next owner has long looked.
bool BelievesWhatCameLate(LogBench& bench) {
  bool believes = false;
  bench.Run([&] {
    EXPECT_TRUE(bench.Append(3, Tagged(1)));
    const std::vector<std::byte> before = bench.machine_.storage().Peek(WriteLogPath(1));
    EXPECT_TRUE(bench.Append(3, Tagged(2)));
    const std::vector<std::byte> late = bench.machine_.storage().Peek(WriteLogPath(1));
    bench.machine_.storage().Poke(WriteLogPath(1), 0, before);
    bench.Open();
    bench.machine_.storage().Poke(WriteLogPath(1), 0, late);
    bench.Open();
    believes = bench.Read(3 * kLogBlock, kLogBlock) != Tagged(1);
  });
  return believes;
}

// The place is used again for another block between the look and the read.
bool ReadsWhatIsOfAnotherBlock(LogBench& bench) {
  bool reads = false;
  bench.Run([&] {
    EXPECT_TRUE(bench.Append(3, Tagged(1)));
    at_race_point = [&] {
      at_race_point = nullptr;
      for (uint64_t segment = 0; segment <= kSmallLog.segments; ++segment) {
        bench.DrainOne();
        EXPECT_TRUE(bench.Append(4, Tagged(9), 1, WriteLog::Want::kLogged));
      }
    };
    reads = bench.Read(3 * kLogBlock, kLogBlock) != Tagged(1);
    at_race_point = nullptr;
  });
  return reads;
}

struct Rule {
  const char* name;
  Mutant mutant;
  Scene scene;
};
void PrintTo(const Rule& rule, std::ostream* out) { *out << rule.name; }

class WriteLogRule : public testing::TestWithParam<Rule> {
 protected:
  ~WriteLogRule() override { active_mutant = Mutant::kNone; }
  static int SeedsThatNotice(const Scene& scene) {
    int notice = 0;
    for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
      LogBench bench(seed);
      notice += scene(bench);
    }
    return notice;
  }
};

TEST_P(WriteLogRule, Holds) { EXPECT_EQ(SeedsThatNotice(GetParam().scene), 0); }

TEST_P(WriteLogRule, IsNeeded) {
  active_mutant = GetParam().mutant;
  EXPECT_GT(SeedsThatNotice(GetParam().scene), 0);
}

INSTANTIATE_TEST_SUITE_P(
    Scene, WriteLogRule,
    testing::Values(
        Rule{"AFlushIsOfTheLogToo", Mutant::kFlushForgetsLog, LosesAFlushedWrite},
        Rule{"ADurableWriteIsDurable", Mutant::kLoggedWriteNotDurable, LosesADurableWrite},
        Rule{"WhatReplacesIsDurableFirst", Mutant::kFreedBeforeNewerIsDurable,
             LosesAFlushedWriteThatWasOverwritten},
        Rule{"WhatAListNamesIsDurableFirst", Mutant::kListedBeforeDurable,
             BelievesAListOfWhatIsLost},
        Rule{"NothingIsForgottenBeforeItIsFreed", Mutant::kForgetBeforeFree,
             ReplaysOverWhatCameLater},
        Rule{"AnOldLogIsLookedAtOnce", Mutant::kOldLogScannedAgain, BelievesWhatCameLate},
        Rule{"AReadLooksTwice", Mutant::kLogReadNoSecondLook, ReadsWhatIsOfAnotherBlock}),
    [](const testing::TestParamInfo<Rule>& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace baton
