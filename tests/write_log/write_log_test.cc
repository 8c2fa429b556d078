#include "engine/write_log/write_log.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/write_log/log_bench.h"

namespace baton {
namespace {

constexpr uint64_t kBlock = kLogBlock;
constexpr WriteLogShape kShape = kSmallLog;

class WriteLogTest : public testing::Test, protected LogBench {
 protected:
  using LogBench::Run;
};

TEST_F(WriteLogTest, ReadsSeeTheNewestContentAndTheFileElsewhere) {
  Run([&] {
    const std::vector<std::byte> before = Read(0, 32 * kBlock);
    ASSERT_TRUE(Append(3, Pattern(2 * kBlock, 1)));
    ASSERT_TRUE(Append(4, Pattern(kBlock, 2)));
    std::vector<std::byte> expected = before;
    ASSERT_OK(plain_.Read(0, expected));
    const std::vector<std::byte> first = Pattern(2 * kBlock, 1), second = Pattern(kBlock, 2);
    std::copy_n(first.begin(), kBlock, expected.begin() + 3 * kBlock);
    std::copy_n(second.begin(), kBlock, expected.begin() + 4 * kBlock);
    EXPECT_EQ(Read(0, 32 * kBlock), expected);
    for (const auto& [offset, length] : {std::pair<uint64_t, uint64_t>{3 * kBlock - 7, 9},
                                         {3 * kBlock + 100, 5000},
                                         {4 * kBlock + 1, kBlock},
                                         {5 * kBlock - 1, 1}}) {
      const auto begin = expected.begin() + static_cast<ptrdiff_t>(offset);
      EXPECT_EQ(Read(offset, length),
                std::vector<std::byte>(begin, begin + static_cast<ptrdiff_t>(length)));
    }
    EXPECT_EQ(Volume().blocks, 2u);
    EXPECT_TRUE(log_->Has(Volume(), 4 * kBlock, 1));
    EXPECT_FALSE(log_->Has(Volume(), 0, 3 * kBlock));
  });
}

TEST_F(WriteLogTest, WhatIsDrainedIsInTheFileAndNotInTheLog) {
  Run([&] {
    ASSERT_TRUE(Append(3, Pattern(2 * kBlock, 1)));
    ASSERT_TRUE(Append(4, Pattern(kBlock, 2)));
    const std::vector<std::byte> expected = Read(0, 32 * kBlock);
    DrainOne();
    EXPECT_EQ(Volume().blocks, 0u);
    std::vector<std::byte> content(32 * kBlock);
    ASSERT_OK(plain_.Read(0, content));
    EXPECT_EQ(content, expected);
    EXPECT_OK(log_->WaitAllDrained(absl::ZeroDuration()));
  });
}

TEST_F(WriteLogTest, AnAcknowledgedWriteIsThereAfterAKill) {
  Run([&] {
    ASSERT_TRUE(Append(3, Pattern(kBlock, 1)));
    ASSERT_TRUE(Append(3, Pattern(kBlock, 2)));
    ASSERT_TRUE(Append(9, Pattern(2 * kBlock, 3)));
    for (int epochs = 0; epochs < 3; ++epochs) {
      Open();
      EXPECT_EQ(Read(3 * kBlock, kBlock), Pattern(kBlock, 2));
      EXPECT_EQ(Read(9 * kBlock, 2 * kBlock), Pattern(2 * kBlock, 3));
      EXPECT_EQ(log_->LoggedVolumes(), std::vector<uint64_t>{1});
    }
    DrainOne();
    Open();
    EXPECT_TRUE(log_->LoggedVolumes().empty());
    std::vector<std::byte> content(kBlock);
    ASSERT_OK(plain_.Read(3 * kBlock, content));
    EXPECT_EQ(content, Pattern(kBlock, 2));
  });
}

TEST_F(WriteLogTest, ALaterEpochIsNewer) {
  Run([&] {
    for (uint8_t tag = 1; tag < 6; ++tag) ASSERT_TRUE(Append(3, Pattern(kBlock, tag)));
    Open();
    ASSERT_TRUE(Append(3, Pattern(kBlock, 9)));
    Open();
    EXPECT_EQ(Read(3 * kBlock, kBlock), Pattern(kBlock, 9));
    DrainOne();  // the oldest one: nothing of it is the newest
    EXPECT_EQ(Read(3 * kBlock, kBlock), Pattern(kBlock, 9));
    EXPECT_TRUE(log_->Has(Volume(), 3 * kBlock, kBlock));
    DrainOne();
    EXPECT_EQ(Volume().blocks, 0u);
  });
}

// A deposed owner's write that was on its way when the next one looked.
TEST_F(WriteLogTest, WhatComesAfterTheNextOwnerHasLookedIsNothing) {
  Run([&] {
    ASSERT_TRUE(Append(3, Pattern(kBlock, 1)));
    const std::vector<std::byte> with_one = machine_.storage().Peek(WriteLogPath(1));
    ASSERT_TRUE(Append(3, Pattern(kBlock, 2)));
    const std::vector<std::byte> with_two = machine_.storage().Peek(WriteLogPath(1));
    machine_.storage().Poke(WriteLogPath(1), 0, with_one);
    Open();
    EXPECT_EQ(Read(3 * kBlock, kBlock), Pattern(kBlock, 1));
    machine_.storage().Poke(WriteLogPath(1), 0, with_two);
    Open();
    EXPECT_EQ(Read(3 * kBlock, kBlock), Pattern(kBlock, 1));
  });
}

TEST_F(WriteLogTest, ATornEntryIsNothingAndTheNextOneIsSomething) {
  Run([&] {
    ASSERT_TRUE(Append(3, Pattern(2 * kBlock, 1)));
    ASSERT_TRUE(Append(9, Pattern(kBlock, 2)));
    const uint64_t second_data = (kShape.FirstBlockOf(0) + 2) * kBlock;
    machine_.storage().Poke(WriteLogPath(1), second_data + 100, Pattern(8, 200));
    Open();
    EXPECT_FALSE(log_->Has(Volume(), 3 * kBlock, 2 * kBlock));
    EXPECT_EQ(Read(9 * kBlock, kBlock), Pattern(kBlock, 2));
  });
}

// A host may write what it has read from a log: it is not taken for an entry.
TEST_F(WriteLogTest, DataThatLooksLikeAnEntryIsData) {
  Run([&] {
    std::vector<std::byte> data(2 * kBlock);
    EncodeLogWrite({.volume_id = 1,
                    .offset = 20 * kBlock,
                    .length_bytes = kBlock,
                    .sequence = 99,
                    .block = kShape.FirstBlockOf(0) + 1},
                   Bytes(data).subspan(kBlock), 4711, MutableBytes(data).first(kBlock));
    ASSERT_TRUE(Append(3, data));
    const uint64_t header = kShape.FirstBlockOf(0) * kBlock;
    machine_.storage().Poke(WriteLogPath(1), header, Pattern(8, 1));  // its own entry is torn
    Open();
    EXPECT_TRUE(log_->LoggedVolumes().empty());
  });
}

TEST_F(WriteLogTest, SegmentsAreUsedAgainAndOldEntriesInThemAreNothing) {
  Run([&] {
    for (uint8_t round = 0; round < 20; ++round) {
      ASSERT_TRUE(Append(round, Pattern(3 * kBlock, round)));
      DrainOne();
      Rest();
    }
    ASSERT_TRUE(Append(30, Pattern(kBlock, 99)));
    Open();
    EXPECT_EQ(Volume().blocks, 1u) << "what was drained has come back";
    EXPECT_EQ(Read(30 * kBlock, kBlock), Pattern(kBlock, 99));
  });
}

TEST_F(WriteLogTest, AFullLogTakesNoFreshWriteAndLetsOthersWait) {
  Run([&] {
    uint64_t taken = 0;
    while (Append(taken % 8, Pattern(kBlock, 1)) && taken < 100) ++taken;
    EXPECT_GE(taken, 4u);
    EXPECT_LT(taken, 16u) << "there is room for 16 entries";
    bool is_done = false;
    const std::unique_ptr<Thread> writer = machine_.runtime().StartThread("writer", [&] {
      for (int i = 0; i < 12; ++i) {
        EXPECT_TRUE(Append(0, Pattern(kBlock, 2), 1, WriteLog::Want::kLogged));
      }
      is_done = true;
    });
    Rest();
    EXPECT_FALSE(is_done);
    while (!is_done) DrainOne(), Rest();
    EXPECT_EQ(Read(0, kBlock), Pattern(kBlock, 2));
  });
}

TEST_F(WriteLogTest, AFewWritesAreDrainedAfterAWhile) {
  Run([&] {
    ASSERT_TRUE(Append(0, Pattern(kBlock, 1)));
    const absl::Duration begin = machine_.runtime().BootTime();
    DrainOne();
    EXPECT_GE(machine_.runtime().BootTime() - begin, absl::Milliseconds(20));
  });
}

// Draining competes with hosts for the storage.
TEST_F(WriteLogTest, WhileHostsWriteItWaitsUntilItIsOld) {
  shape_ = {.segments = 16, .segment_blocks = 512};
  Run([&] {
    sim::SimRuntime& runtime = machine_.runtime();
    absl::Duration drained_at;
    const absl::Duration begin = runtime.BootTime();
    const std::unique_ptr<Thread> drain = runtime.StartThread("drain", [&] {
      DrainOne();
      drained_at = runtime.BootTime();
    });
    while (drained_at == absl::ZeroDuration() && runtime.BootTime() - begin < absl::Seconds(5)) {
      ASSERT_TRUE(Append(0, Pattern(kBlock, 1)));
      Rest();
    }
    EXPECT_GE(drained_at - begin, absl::Milliseconds(limits::kWriteLogMaxAgeMs));
    EXPECT_LT(drained_at - begin, absl::Milliseconds(limits::kWriteLogMaxAgeMs + 100));
  });
}

TEST_F(WriteLogTest, MoreThanItsShareIsDrainedAtOnce) {
  shape_ = {.segments = 16, .segment_blocks = 8};
  Run([&] {
    const uint64_t kept = shape_.segments * limits::kWriteLogKeepPercent / 100;
    const auto written = [&] {  // one that is drained at once, and those that are not
      for (uint64_t i = 0; i < (kept + 2) * shape_.segment_blocks / 2; ++i) {
        ASSERT_TRUE(Append(i % 32, Pattern(kBlock, 1)));
        machine_.runtime().SleepFor(absl::Microseconds(100));
      }
    };
    written();
    const absl::Duration begin = machine_.runtime().BootTime();
    DrainOne();
    EXPECT_LT(machine_.runtime().BootTime() - begin, absl::Milliseconds(10));
    DrainOne();
    EXPECT_GE(machine_.runtime().BootTime() - begin, absl::Milliseconds(20)) << "the rest may stay";
  });
}

TEST_F(WriteLogTest, WhoWaitsForItIsNotKeptWaiting) {
  Run([&] {
    ASSERT_TRUE(Append(0, Pattern(kBlock, 1)));
    const absl::Duration begin = machine_.runtime().BootTime();
    const std::unique_ptr<Thread> drain =
        machine_.runtime().StartThread("drain", [&] { DrainOne(); });
    EXPECT_OK(log_->WaitDrained(Volume(), 0, kBlock));
    EXPECT_LT(machine_.runtime().BootTime() - begin, absl::Milliseconds(20));
  });
}

TEST_F(WriteLogTest, WhoWaitsForAStorageThatTakesNothingIsToldSo) {
  Run([&] {
    ASSERT_TRUE(Append(0, Pattern(kBlock, 1)));
    log_->SetStuck(absl::ResourceExhaustedError("no space is left"));
    EXPECT_CODE(log_->WaitDrained(Volume()), kResourceExhausted);
    EXPECT_EQ(Read(0, kBlock), Pattern(kBlock, 1)) << "it is served from the log";
    log_->SetStuck(absl::OkStatus());
    DrainOne();
    EXPECT_OK(log_->WaitDrained(Volume()));
  });
}

TEST_F(WriteLogTest, GivingUpEndsAllWaiting) {
  Run([&] {
    ASSERT_TRUE(Append(0, Pattern(kBlock, 1)));
    const std::unique_ptr<Thread> ender = machine_.runtime().StartThread(
        "ender", [&] { log_->GiveUp(absl::AbortedError("it is over")); });
    EXPECT_CODE(log_->WaitDrained(Volume()), kAborted);
    EXPECT_FALSE(log_->Take().has_value());
    EXPECT_CODE(log_->Append(Volume(), 0, Pattern(kBlock, 1), WriteLog::Want::kFresh), kAborted);
  });
}

TEST_F(WriteLogTest, RecordsTellOfDurableMetadata) {
  Run([&] {
    EXPECT_EQ(Must(OldLogs::NewestMetaSequence(machine_.storage(), machine_.runtime())), 0u);
    meta_sequence_ = 41;
    ASSERT_TRUE(Append(0, Pattern(kBlock, 1)));
    DrainOne();
    Rest();
    EXPECT_EQ(Must(OldLogs::NewestMetaSequence(machine_.storage(), machine_.runtime())), 41u);
  });
}

TEST_F(WriteLogTest, AGarbledRecordIsRefusedByItsName) {
  Run([&] {
    ASSERT_TRUE(Append(0, Pattern(kBlock, 1)));
    machine_.storage().Poke(WriteLogPath(1), kBlock + 20, Pattern(4, 3));
    const absl::StatusOr<OldLogs> logs = OldLogs::Load(machine_.storage(), machine_.runtime(), 2);
    EXPECT_CODE(logs, kDataLoss);
    EXPECT_THAT(std::string(logs.status().message()), testing::HasSubstr("writes/epoch-1"));
  });
}

TEST_F(WriteLogTest, WithoutSpaceNothingIsLogged) {
  machine_.storage().set_capacity_bytes(limits::kReserveBytes);
  machine_.runtime().Run([&] {
    MakePool();
    log_ = Must(WriteLog::Open({.storage = machine_.storage(),
                                .runtime = machine_.runtime(),
                                .fence = fence_,
                                .fault = fault_,
                                .epoch = 1,
                                .shape = kShape,
                                .meta_sequence = [] { return 0; }}));
    log_->Enable();
    Rest();
    EXPECT_FALSE(Append(0, Pattern(kBlock, 1)));
    EXPECT_FALSE(Append(0, Pattern(kBlock, 1), 1, WriteLog::Want::kLogged));
    log_.reset();
  });
}

TEST_F(WriteLogTest, ADurableWriteOutlivesALossOfPower) {
  durable_ = true;
  Run([&] { ASSERT_TRUE(Append(3, Pattern(kBlock, 1))); });
  LosePower();
  Run([&] { EXPECT_EQ(Read(3 * kBlock, kBlock), Pattern(kBlock, 1)); });
}

TEST_F(WriteLogTest, AFlushedWriteOutlivesALossOfPower) {
  Run([&] {
    ASSERT_TRUE(Append(3, Pattern(kBlock, 1)));
    EXPECT_OK(log_->Sync(Volume()));
  });
  LosePower();
  Run([&] { EXPECT_EQ(Read(3 * kBlock, kBlock), Pattern(kBlock, 1)); });
}

// What replaced it is in the next segment, and only cached when the first one is freed.
TEST_F(WriteLogTest, WhatWasFlushedAndThenOverwrittenOutlivesALossOfPower) {
  Run([&] {
    ASSERT_TRUE(Append(3, Pattern(kBlock, 1)));
    EXPECT_OK(log_->Sync(Volume()));
    for (uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(Append(10 + i, Pattern(kBlock, 7)));
    ASSERT_TRUE(Append(3, Pattern(kBlock, 2)));
    DrainOne();
  });
  LosePower();
  Run([&] {
    const std::vector<std::byte> now = Read(3 * kBlock, kBlock);
    EXPECT_TRUE(now == Pattern(kBlock, 1) || now == Pattern(kBlock, 2));
  });
}

// Batches are drained more slowly than the block is written to.
TEST_F(WriteLogTest, ABlockThatIsAlwaysWrittenKeepsNobodyWaiting) {
  Run([&] {
    ASSERT_TRUE(Append(3, Pattern(kBlock, 1)));
    bool stop = false;
    bool waited = false;
    const std::unique_ptr<Thread> drain = machine_.runtime().StartThread("drain", [&] {
      while (const std::optional<WriteLog::Batch> batch = log_->Take()) {
        machine_.runtime().SleepFor(absl::Milliseconds(5));
        EXPECT_OK(log_->Free(*batch));
      }
    });
    std::unique_ptr<Thread> host = machine_.runtime().StartThread("host", [&] {
      while (!stop) {
        EXPECT_TRUE(Append(3, Pattern(kBlock, 2), 1, WriteLog::Want::kLogged));
        machine_.runtime().SleepFor(absl::Milliseconds(1));
      }
    });
    const std::unique_ptr<Thread> waiter = machine_.runtime().StartThread("waiter", [&] {
      EXPECT_OK(log_->WaitDrained(Volume()));
      waited = true;
    });
    machine_.runtime().SleepFor(absl::Seconds(1));
    EXPECT_TRUE(waited);
    stop = true;
    host.reset();
    log_->Stop();
  });
}

TEST_F(WriteLogTest, WhoWaitsForRoomIsToldOfAStorageThatTakesNothing) {
  Run([&] {
    absl::Status last;
    const std::unique_ptr<Thread> writer = machine_.runtime().StartThread("writer", [&] {
      while (last.ok()) {
        last = log_->Append(Volume(), 0, Pattern(kBlock, 2), WriteLog::Want::kLogged).status();
      }
    });
    machine_.runtime().SleepFor(absl::Seconds(1));
    EXPECT_OK(last) << "it waits";
    log_->SetStuck(absl::ResourceExhaustedError("no space is left"));
    machine_.runtime().SleepFor(absl::Seconds(1));
    EXPECT_CODE(last, kResourceExhausted);
    EXPECT_EQ(Read(0, kBlock), Pattern(kBlock, 2));
  });
}

TEST_F(WriteLogTest, ADrainThatTakesLongerIsWaitedForUntilTheDeadline) {
  Run([&] {
    ASSERT_TRUE(Append(3, Pattern(kBlock, 1)));
    EXPECT_CODE(log_->WaitAllDrained(absl::Seconds(1)), kDeadlineExceeded);
    DrainOne();
    EXPECT_OK(log_->WaitAllDrained(absl::Seconds(1)));
  });
}

TEST_F(WriteLogTest, AfterAFailedEntryNothingMayGoToTheFiles) {
  Run([&] {
    machine_.steps().Inject({.matches = sim::Matching(sim::OperationKind::kWrite, "writes/new"),
                             .skip = 0,
                             .status = absl::DataLossError("input/output error"),
                             .sticky = true});
    EXPECT_OK(log_->Check());
    expects_fault_ = true;
    EXPECT_CODE(log_->Append(Volume(), 0, Pattern(kBlock, 1), WriteLog::Want::kFresh), kAborted);
    EXPECT_CODE(log_->Check(), kAborted);
  });
}

// What a takeover waits for does not grow with what is in the log.
TEST_F(WriteLogTest, ASegmentWithAListIsNotRead) {
  shape_ = {.segments = 16, .segment_blocks = 64};
  Run([&] {
    for (uint64_t i = 0; i < 8 * 32; ++i) {
      ASSERT_TRUE(Append(i % 32, Pattern(kBlock, static_cast<uint8_t>(i))));
      if (i % 32 == 0) Rest();
    }
    Rest();
    std::vector<std::vector<std::byte>> before;
    for (uint64_t block = 0; block < 32; ++block) before.push_back(Read(block * kBlock, kBlock));
    uint64_t read_bytes = 0;
    machine_.steps().Observe([&](const sim::Operation& operation) {
      if (operation.kind == sim::OperationKind::kRead && operation.path == WriteLogPath(1)) {
        read_bytes += operation.bytes;
      }
    });
    Open();
    machine_.steps().Observe(nullptr);
    EXPECT_LE(read_bytes, (3 * shape_.segment_blocks + 64) * kBlock);
    EXPECT_EQ(Volume().blocks, 32u);
    for (uint64_t block = 0; block < 32; ++block) {
      EXPECT_EQ(Read(block * kBlock, kBlock), before[block]) << block;
    }
  });
}

TEST_F(WriteLogTest, AListOfAnEarlierUseOfTheSegmentIsNothing) {
  Run([&] {
    for (uint64_t use = 0; use < 4; ++use) {
      for (uint64_t i = 0; i < 12; ++i) {  // three segments
        ASSERT_TRUE(Append(i, Pattern(kBlock, static_cast<uint8_t>(use * 12 + i)), 1,
                           WriteLog::Want::kLogged));
      }
      Rest();  // lists are made
      for (int i = 0; i < 3; ++i) DrainOne();
      Rest();
    }
    for (uint64_t i = 0; i < 2; ++i) ASSERT_TRUE(Append(i, Pattern(kBlock, 99)));
    Open();
    EXPECT_EQ(Volume().blocks, 2u);
    EXPECT_EQ(Read(kBlock, kBlock), Pattern(kBlock, 99));
  });
}

TEST_F(WriteLogTest, ATornListIsNothingAndTheSegmentIsRead) {
  Run([&] {
    for (uint64_t i = 0; i < 12; ++i) {
      ASSERT_TRUE(Append(i, Pattern(kBlock, 1), 1, WriteLog::Want::kLogged));
    }
    Rest();
    for (uint64_t segment = 0; segment < kShape.segments; ++segment) {
      machine_.storage().Poke(WriteLogPath(1), kShape.ListBlockOf(segment) * kBlock + 40,
                              Pattern(8, 200));
    }
    Open();
    EXPECT_EQ(Volume().blocks, 12u);
    EXPECT_EQ(Read(5 * kBlock, kBlock), Pattern(kBlock, 1));
  });
}

// It only saves the next owner time.
TEST_F(WriteLogTest, AListThatCannotBeWrittenEndsNothing) {
  Run([&] {
    machine_.steps().Inject({.matches =
                                 [](const sim::Operation& operation) {
                                   return operation.kind == sim::OperationKind::kWrite &&
                                          operation.path == "writes/new" &&
                                          operation.offset >= kShape.ListBlockOf(0) * kBlock;
                                 },
                             .status = absl::ResourceExhaustedError("no space is left"),
                             .sticky = true});
    for (uint64_t i = 0; i < 12; ++i) {
      ASSERT_TRUE(Append(i, Pattern(kBlock, 1), 1, WriteLog::Want::kLogged));
    }
    Rest();
    EXPECT_OK(log_->Check());
    machine_.steps().ClearFaults();
    Open();
    EXPECT_EQ(Volume().blocks, 12u);
    EXPECT_EQ(Read(5 * kBlock, kBlock), Pattern(kBlock, 1));
  });
}

// Blocks that an earlier log has can be written to in the own one only.
TEST_F(WriteLogTest, RoomIsMadeAtOnceWhenAnEarlierLogHasSomething) {
  Run([&] {
    ASSERT_TRUE(Append(3, Pattern(kBlock, 1)));
    OpenWithoutRoom();
    Rest();
    EXPECT_GT(log_->segments(), 0u);
  });
}

// The log is still open, and would be emptied when the process ends, which hosts may wait for.
TEST_F(WriteLogTest, ADrainedLogGivesItsSpaceBackOnceNobodyNeedsIt) {
  Run([&] {
    ASSERT_TRUE(Append(3, Pattern(kBlock, 1)));
    Open();
    int cuts = 0;
    machine_.steps().Observe([&](const sim::Operation& operation) {
      if (operation.kind != sim::OperationKind::kTruncate) return;
      EXPECT_EQ(operation.path, WriteLogPath(1));
      EXPECT_FALSE(log_->Has(Volume(), 3 * kBlock, kBlock)) << "somebody may read it still";
      ++cuts;
    });
    DrainOne();
    machine_.steps().Observe(nullptr);
    EXPECT_EQ(cuts, 1);
    EXPECT_EQ(Read(3 * kBlock, kBlock), Pattern(kBlock, 1));
  });
}

}  // namespace
}  // namespace baton
