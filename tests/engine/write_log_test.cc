// What the write log changes for who uses the engine, on a simulated machine.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/base/host_request.h"
#include "tests/engine/sim_engine.h"

namespace baton {
namespace {

class EngineWriteLogTest : public testing::Test {
 protected:
  static constexpr uint64_t kBlock = limits::kBlockBytes;
  static constexpr uint64_t kExtent = 4 * kBlock;
  static constexpr uint64_t kSize = 8 * kExtent;

  EngineWriteLogTest() { sim_.write_log_shape = {.segments = 4, .segment_blocks = 32}; }

  // `body` after T0 of a clone of "src", which held Pattern(kSize, 1), once the log has room.
  void Run(const std::function<void(uint64_t id)>& body, OnError on_error = FAIL_CLONE) {
    sim_.Run([&] {
      const uint64_t id = sim_.StartClone(Pattern(kSize, 1), kExtent, on_error);
      Rest(absl::Milliseconds(100));
      body(id);
    });
  }
  void Rest(absl::Duration duration) { sim_.machine.runtime().SleepFor(duration); }
  // Longer than a write stays in the log.
  void LetItDrain() { Rest(absl::Milliseconds(300)); }

  void Write(uint64_t offset, const std::vector<std::byte>& data) {
    ASSERT_OK(sim_.OpenVolume("src")->Write(offset, data));
    std::copy(data.begin(), data.end(), expected_.begin() + static_cast<ptrdiff_t>(offset));
  }
  std::vector<std::byte> Content(const std::string& volume) {
    std::vector<std::byte> content(kSize);
    EXPECT_OK(sim_.OpenVolume(volume)->Read(0, content));
    return content;
  }
  std::vector<std::byte> FileOf(const std::string& volume) {
    return sim_.machine.storage().Peek("volumes/" + volume);
  }
  void Fail(sim::OperationKind kind, const std::string& path) {
    sim_.Fail(kind, path, absl::ResourceExhaustedError("no space is left"));
  }

  SimEngine sim_;
  const std::vector<std::byte> t0_ = Pattern(kSize, 1);
  std::vector<std::byte> expected_ = t0_;  // of "src"
};

TEST_F(EngineWriteLogTest, AFirstWriteLeavesTheFileAsItWasUntilItsT0IsCopied) {
  Run([&](uint64_t id) {
    Write(5 * kBlock, Pattern(kBlock, 2));
    Write(6 * kBlock, Pattern(3 * kBlock, 3));
    EXPECT_EQ(FileOf("src"), t0_);
    EXPECT_EQ(Must(sim_.engine->ShowClone(id)).extents_copied(), 0u);
    EXPECT_EQ(Content("src"), expected_);
    EXPECT_EQ(Content("dst"), t0_);
    LetItDrain();
    EXPECT_EQ(FileOf("src"), expected_);
    EXPECT_EQ(Must(sim_.engine->ShowClone(id)).extents_copied(), 2u) << "and no other extent";
    EXPECT_EQ(Content("src"), expected_);
    EXPECT_EQ(Content("dst"), t0_);
  });
}

TEST_F(EngineWriteLogTest, ASecondT0HasWhatIsInTheLog) {
  Run([&](uint64_t) {
    ASSERT_OK(sim_.engine->CreateVolume({.name = "later", .size_bytes = kSize}));
    const uint64_t later = Must(
        sim_.engine->CreateClone({.source = "src", .target = "later", .extent_bytes = 2 * kBlock}));
    ASSERT_OK(sim_.engine->ActivateClones({later}));
    Write(5 * kBlock, Pattern(kBlock, 2));
    ASSERT_EQ(FileOf("src"), t0_);
    const std::vector<std::byte> between = expected_;
    ASSERT_OK(sim_.engine->StartClones({later}));
    Write(5 * kBlock, Pattern(2 * kBlock, 3));
    for (int drained = 0; drained < 2; ++drained) {
      EXPECT_EQ(Content("src"), expected_);
      EXPECT_EQ(Content("dst"), t0_);
      EXPECT_EQ(Content("later"), between);
      LetItDrain();
    }
  });
}

TEST_F(EngineWriteLogTest, WhatIsNoWholeBlockComesAfterWhatIsInTheLog) {
  Run([&](uint64_t) {
    Write(5 * kBlock, Pattern(2 * kBlock, 2));
    Write(5 * kBlock + 100, Pattern(kBlock, 3));
    EXPECT_EQ(Content("src"), expected_);
    Write(6 * kBlock, Pattern(kBlock, 4));
    Write(0, Pattern(limits::kMaxLoggedBytes + kBlock, 5));
    EXPECT_EQ(Content("src"), expected_);
    ASSERT_OK(sim_.OpenVolume("src")->Discard(5 * kBlock + 7, kBlock));
    std::fill_n(expected_.begin() + 5 * kBlock + 7, kBlock, std::byte{0});
    EXPECT_EQ(Content("src"), expected_);
    EXPECT_EQ(Content("dst"), t0_);
    LetItDrain();
    EXPECT_EQ(Content("src"), expected_);
    EXPECT_EQ(Content("dst"), t0_);
  });
}

// What was known of the file's data is not known any more.
TEST_F(EngineWriteLogTest, AWriteToWhatWasDiscardedIsNotAcknowledgedFromTheLog) {
  Run([&](uint64_t) {
    Write(5 * kBlock, Pattern(kBlock, 2));
    ASSERT_OK(sim_.OpenVolume("src")->Discard(kExtent, 4 * kExtent));
    std::fill_n(expected_.begin() + kExtent, 4 * kExtent, std::byte{0});
    Write(9 * kBlock, Pattern(kBlock, 3));
    EXPECT_EQ(sim_.engine->ShowWriteLog().logged_bytes(), 0u);
    EXPECT_EQ(FileOf("src"), expected_);
    EXPECT_EQ(Content("dst"), t0_);
  });
}

// Nobody waits for the drain, so also where storage takes nothing.
TEST_F(EngineWriteLogTest, WhatIsNoWholeBlockIsMergedWithWhatIsInTheLog) {
  Run([&](uint64_t) {
    Write(5 * kBlock, Pattern(kBlock, 2));
    Fail(sim::OperationKind::kWrite, "volumes/src");
    Write(5 * kBlock + 100, Pattern(10, 3));
    Write(4 * kBlock + 7, Pattern(2 * kBlock, 4));
    EXPECT_EQ(Content("src"), expected_);
    Write(3 * kBlock + 1, Pattern(limits::kMaxLoggedBytes, 5));
    Write(2 * kBlock, Pattern(limits::kMaxLoggedBytes + kBlock, 6));
    EXPECT_EQ(Content("src"), expected_);
    EXPECT_EQ(FileOf("src"), t0_);
    sim_.machine.steps().ClearFaults();
    Rest(absl::Seconds(2));
    EXPECT_EQ(FileOf("src"), expected_);
    EXPECT_EQ(Content("dst"), t0_);
  });
}

// Each write that met an extent that was pending, and no other.
TEST_F(EngineWriteLogTest, FirstWritesAreCountedByTheirWay) {
  const auto counts = [this] {
    const FirstWrites counted = sim_.engine->CountFirstWrites();
    return std::pair(counted.logged.latencies.total(), counted.preserved.latencies.total());
  };
  using Counts = std::pair<uint64_t, uint64_t>;
  Run([&](uint64_t id) {
    EXPECT_EQ(counts(), Counts(0, 0));
    Write(5 * kBlock, Pattern(kBlock, 2));
    EXPECT_EQ(counts(), Counts(1, 0)) << "logged";
    Write(5 * kBlock, Pattern(kBlock, 3));
    Write(5 * kBlock + 100, Pattern(10, 4));
    EXPECT_EQ(counts(), Counts(3, 0)) << "logged again, and merged";
    Write(2 * kExtent + 100, Pattern(10, 5));
    EXPECT_EQ(counts(), Counts(3, 1)) << "not fit for the log";
    Write(2 * kExtent, Pattern(kBlock, 6));
    EXPECT_EQ(counts(), Counts(3, 1)) << "of an extent that is preserved";
    Fail(sim::OperationKind::kWrite, "volumes/src");
    EXPECT_FALSE(sim_.OpenVolume("src")->Write(3 * kExtent + 1, Pattern(10, 7)).ok());
    EXPECT_EQ(counts(), Counts(3, 1)) << "failed";
    sim_.machine.steps().ClearFaults();
    ASSERT_OK(sim_.engine->StopClone(id));
    Write(4 * kExtent, Pattern(kBlock, 8));
    EXPECT_EQ(counts(), Counts(3, 1)) << "without a clone";
  });
}

class TracedRequest final : public HostRequest {
 public:
  explicit TracedRequest(const Runtime& runtime) : runtime_(runtime) {
    BeginTime(runtime.BootTime(), absl::ZeroDuration());
  }
  bool killed() const override { return false; }
  void NoteWait() override {}
  absl::Duration On(Spent what) const {
    return time_spent().Until(runtime_.BootTime())[static_cast<size_t>(what)];
  }

 private:
  const Runtime& runtime_;
};

// An operation that fails is repeated after a while.
TEST_F(EngineWriteLogTest, TheTimeOfAFirstWriteGoesToTheWayThatItTakes) {
  const auto fail_once = [this](sim::OperationKind kind, const std::string& path) {
    sim_.machine.steps().Inject(
        {.matches = sim::Matching(kind, path), .status = absl::InternalError("once")});
  };
  Run([&](uint64_t) {
    const Runtime& runtime = sim_.machine.runtime();
    {
      fail_once(sim::OperationKind::kWrite, "writes/epoch-1");
      TracedRequest request(runtime);
      const HostRequest::Scope scope(request);
      Write(5 * kBlock, Pattern(kBlock, 2));
      EXPECT_GT(request.On(Spent::kLog), absl::ZeroDuration());
      EXPECT_EQ(request.On(Spent::kPreserve), absl::ZeroDuration());
    }
    {
      fail_once(sim::OperationKind::kRead, "volumes/src");
      TracedRequest request(runtime);
      const HostRequest::Scope scope(request);
      Write(2 * kExtent + 100, Pattern(10, 3));
      EXPECT_GT(request.On(Spent::kPreserve), absl::ZeroDuration());
      EXPECT_EQ(request.On(Spent::kLog), absl::ZeroDuration());
      EXPECT_EQ(request.On(Spent::kOther), absl::ZeroDuration());
    }
  });
}

TEST_F(EngineWriteLogTest, AFirstWriteThatTheLogHasNoRoomForIsOneThatPreserves) {
  Run([&](uint64_t) {
    // The second block cannot be drained, and whatever is logged after it stays, too.
    sim_.machine.steps().Inject(
        {.matches =
             [is_write = sim::Matching(sim::OperationKind::kWrite, "volumes/src")](
                 const sim::Operation& operation) {
               return is_write(operation) && operation.offset == kBlock;
             },
         .status = absl::ResourceExhaustedError("no space is left"),
         .sticky = true});
    Write(kBlock, Pattern(kBlock, 2));
    for (uint64_t write = 0; write < 50; ++write) Write(0, Pattern(kBlock, 2));  // room is for 64
    EXPECT_EQ(sim_.engine->CountFirstWrites().preserved.latencies.total(), 0u);
    Write(3 * kExtent, Pattern(kBlock, 3));
    EXPECT_EQ(sim_.engine->CountFirstWrites().preserved.latencies.total(), 1u);
  });
}

TEST_F(EngineWriteLogTest, AStoppedCloneLeavesAPlainFile) {
  Run([&](uint64_t id) {
    Write(5 * kBlock, Pattern(kBlock, 2));
    ASSERT_OK(sim_.engine->StopClone(id));
    EXPECT_EQ(FileOf("src"), expected_);
    Write(5 * kBlock, Pattern(kBlock, 3));
    EXPECT_EQ(FileOf("src"), expected_) << "and nothing is logged any more";
  });
}

TEST_F(EngineWriteLogTest, ACompletedCloneLeavesAPlainFile) {
  Run([&](uint64_t id) {
    Write(5 * kBlock, Pattern(kBlock, 2));
    sim_.engine->StartCopiers();
    while (Must(sim_.engine->ShowClone(id)).state() != "completed") {
      Write(5 * kBlock, Pattern(kBlock, 3));
      Rest(absl::Milliseconds(1));
    }
    EXPECT_EQ(FileOf("src"), expected_);
    EXPECT_EQ(Content("dst"), t0_);
  });
}

TEST_F(EngineWriteLogTest, ASealLeavesPlainFilesAndNoLog) {
  Run([&](uint64_t) {
    Write(5 * kBlock, Pattern(kBlock, 2));
    ASSERT_OK(sim_.engine->Seal());
    EXPECT_EQ(FileOf("src"), expected_);
    EXPECT_EQ(Must(sim_.machine.storage().List(kWriteLogsPath)),
              std::vector<std::string>{"epoch-1.drained"})
        << "it is no log any more, and to give back its space would take long";
    sim_.Open();
    Rest(absl::Seconds(1));
    for (const std::string& name : Must(sim_.machine.storage().List(kWriteLogsPath))) {
      EXPECT_EQ(name, "epoch-2");
    }
  });
}

// Hosts wait for a seal: it leaves what would take long to the next owner.
class EngineLongLogTest : public EngineWriteLogTest {
 protected:
  static constexpr uint64_t kExtents = 4 * limits::kDrainExtents;
  static_assert(kExtents > limits::kWriteLogSealBlocks);

  EngineLongLogTest() { sim_.write_log_shape = {.segments = 4, .segment_blocks = 512}; }

  // `body` after T0, when each extent of "src" has a block in the log.
  void RunLong(const std::function<void()>& body) {
    sim_.Run([&] {
      (void)sim_.StartClone(Pattern(kExtents * kExtent, 1), kExtent);
      Rest(absl::Milliseconds(100));
      const std::unique_ptr<VolumeIo> io = sim_.OpenVolume("src");
      for (uint64_t i = 0; i < kExtents; ++i) {
        ASSERT_OK(io->Write(i * kExtent, Pattern(kBlock, static_cast<uint8_t>(i))));
      }
      body();
    });
  }
  void ExpectWrites() {
    const std::unique_ptr<VolumeIo> io = sim_.OpenVolume("src");
    for (uint64_t i = 0; i < kExtents; ++i) {
      std::vector<std::byte> block(kBlock);
      ASSERT_OK(io->Read(i * kExtent, block));
      EXPECT_EQ(block, Pattern(kBlock, static_cast<uint8_t>(i)));
    }
  }
};

TEST_F(EngineLongLogTest, ASealLeavesItToTheNextOwner) {
  RunLong([&] {
    ASSERT_OK(sim_.engine->Seal());
    EXPECT_EQ(FileOf("src"), Pattern(kExtents * kExtent, 1));
    EXPECT_TRUE(Must(sim_.machine.storage().Exists(WriteLogPath(1))));
    sim_.Open();
    ExpectWrites();
    LetItDrain();
    ExpectWrites();
  });
}

// As the files of the volumes.
TEST_F(EngineLongLogTest, WhatASealLeavesIsDurable) {
  RunLong([&] {
    bool is_durable = false;
    sim_.machine.steps().Observe([&](const sim::Operation& operation) {
      if (operation.path == "writes/new") is_durable = operation.kind == sim::OperationKind::kSync;
    });
    ASSERT_OK(sim_.engine->Seal());
    sim_.machine.steps().Observe(nullptr);
    EXPECT_TRUE(is_durable);
  });
}

TEST_F(EngineLongLogTest, ASealDoesNotWaitForTheRestOfABatch) {
  RunLong([&] {
    uint64_t copied_bytes = 0;
    sim_.machine.steps().Observe([&](const sim::Operation& operation) {
      const bool is_copy =
          operation.kind == sim::OperationKind::kWrite && operation.path == "volumes/dst";
      if (is_copy) copied_bytes += operation.bytes;
    });
    while (copied_bytes == 0) Rest(absl::Microseconds(10));
    ASSERT_OK(sim_.engine->Seal());
    sim_.machine.steps().Observe(nullptr);
    EXPECT_LE(copied_bytes, 2 * limits::kMaxCopyBytes);
    static_assert(kExtents * kExtent > 2 * limits::kMaxCopyBytes);
    sim_.Open();
    ExpectWrites();
    LetItDrain();
    ExpectWrites();
  });
}

TEST_F(EngineWriteLogTest, AWriteThatMayFailIsNotAcknowledgedFromTheLog) {
  Run(
      [&](uint64_t) {
        Write(5 * kBlock, Pattern(kBlock, 2));
        EXPECT_EQ(FileOf("src"), expected_);
      },
      FAIL_WRITE);
}

// To find no space after the acknowledgement would be too late.
TEST_F(EngineWriteLogTest, AWriteToAHoleIsNotAcknowledgedFromTheLog) {
  Run([&](uint64_t) {
    ASSERT_OK(sim_.OpenVolume("src")->Discard(4 * kBlock, kExtent));
    std::fill_n(expected_.begin() + 4 * kBlock, kExtent, std::byte{0});
    LetItDrain();
    ASSERT_OK(sim_.engine->CreateVolume({.name = "later", .size_bytes = kSize}));
    const uint64_t later = Must(
        sim_.engine->CreateClone({.source = "src", .target = "later", .extent_bytes = kExtent}));
    ASSERT_OK(sim_.engine->ActivateClones({later}));
    ASSERT_OK(sim_.engine->StartClones({later}));
    const std::vector<std::byte> before = expected_;
    Write(5 * kBlock, Pattern(kBlock, 2));
    EXPECT_EQ(FileOf("src"), expected_);
    EXPECT_EQ(Content("later"), before);
  });
}

TEST_F(EngineWriteLogTest, ATargetWithoutSpaceFailsItsCloneAndNoWrite) {
  Run([&](uint64_t id) {
    Fail(sim::OperationKind::kWrite, "volumes/dst");
    Write(5 * kBlock, Pattern(kBlock, 2));
    LetItDrain();
    EXPECT_EQ(Must(sim_.engine->ShowClone(id)).state(), "failed");
    Write(6 * kBlock, Pattern(kBlock, 3));
    EXPECT_EQ(Content("src"), expected_);
    EXPECT_EQ(FileOf("src"), expected_);
    EXPECT_OK(sim_.fault);
  });
}

TEST_F(EngineWriteLogTest, ASourceThatTakesNoWritesIsServedFromTheLogAndTheNextOwnerGoesOn) {
  Run([&](uint64_t id) {
    Write(5 * kBlock, Pattern(kBlock, 2));
    Fail(sim::OperationKind::kWrite, "volumes/src");
    LetItDrain();
    EXPECT_EQ(Content("src"), expected_);
    EXPECT_EQ(Content("dst"), t0_);
    EXPECT_OK(sim_.engine->StopClone(id)) << "nobody waits for what does not end";
    EXPECT_EQ(Content("src"), expected_);
    (void)sim_.engine->Seal();
    sim_.machine.steps().ClearFaults();
    sim_.Open();
    EXPECT_EQ(Content("src"), expected_);
    LetItDrain();
    EXPECT_EQ(FileOf("src"), expected_);
    EXPECT_OK(sim_.fault);
  });
}

TEST_F(EngineWriteLogTest, AStorageThatTakesWritesAgainGetsThem) {
  Run([&](uint64_t) {
    Write(5 * kBlock, Pattern(kBlock, 2));
    Fail(sim::OperationKind::kWrite, "volumes/src");
    int taken = 0;
    const auto is_write = sim::Matching(sim::OperationKind::kWrite, "volumes/src");
    sim_.machine.steps().Observe(
        [&](const sim::Operation& operation) { taken += is_write(operation) ? 1 : 0; });
    LetItDrain();
    EXPECT_EQ(taken, 0);
    const WriteLogStatus stuck = sim_.engine->ShowWriteLog();
    EXPECT_EQ(stuck.logged_bytes(), kBlock);
    EXPECT_EQ(stuck.used_bytes(), 2 * kBlock) << "the entry's own block, too";
    EXPECT_GT(stuck.room_bytes(), stuck.used_bytes());
    EXPECT_EQ(stuck.problem(), "no space is left");
    sim_.machine.steps().ClearFaults();
    Rest(absl::Seconds(2));
    sim_.machine.steps().Observe(nullptr);
    EXPECT_EQ(taken, 1);
    EXPECT_EQ(FileOf("src"), expected_);
    const WriteLogStatus drained = sim_.engine->ShowWriteLog();
    EXPECT_EQ(drained.logged_bytes() + drained.used_bytes(), 0u);
    EXPECT_EQ(drained.problem(), "");
  });
}

// What the log has from when the volume was a source is not what it becomes as a target.
TEST_F(EngineWriteLogTest, ATargetHasNoWritesInTheLog) {
  Run([&](uint64_t id) {
    Fail(sim::OperationKind::kWrite, "volumes/src");
    Write(0, Pattern(kBlock, 9));
    LetItDrain();
    ASSERT_OK(sim_.engine->StopClone(id));
    ASSERT_OK(sim_.engine->DeleteClone(id));
    ASSERT_OK(sim_.engine->CreateVolume({.name = "empty", .size_bytes = kSize}));
    const uint64_t second = Must(
        sim_.engine->CreateClone({.source = "empty", .target = "src", .extent_bytes = kExtent}));
    EXPECT_CODE(sim_.engine->ActivateClones({second}), kResourceExhausted);
    EXPECT_EQ(Content("src"), expected_) << "it was refused, and nothing is lost";

    sim_.machine.steps().ClearFaults();
    Rest(absl::Seconds(2));
    ASSERT_OK(sim_.engine->ActivateClones({second}));
    ASSERT_OK(sim_.engine->StartClones({second}));
    EXPECT_EQ(Content("src"), std::vector<std::byte>(kSize));
    sim_.engine->StartCopiers();
    Rest(absl::Seconds(2));
    EXPECT_EQ(Must(sim_.engine->ShowClone(second)).state(), "completed");
    EXPECT_EQ(Content("src"), std::vector<std::byte>(kSize));
  });
}

TEST_F(EngineWriteLogTest, ABlockThatIsAlwaysWrittenKeepsNoCommandWaiting) {
  Run([&](uint64_t id) {
    bool stop = false;
    std::unique_ptr<Thread> host = sim_.machine.runtime().StartThread("host", [&] {
      const std::unique_ptr<VolumeIo> io = sim_.OpenVolume("src");
      while (!stop && io->Write(0, Pattern(kBlock, 9)).ok()) Rest(absl::Microseconds(20));
    });
    sim_.engine->StartCopiers();
    Rest(absl::Seconds(1));
    EXPECT_EQ(Must(sim_.engine->ShowClone(id)).state(), "completed");
    ASSERT_OK(sim_.engine->Seal());
    stop = true;
  });
}

TEST_F(EngineWriteLogTest, ASealEndsAlsoWhenStorageTakesNothingAndTheLogIsFull) {
  Run([&](uint64_t) {
    Fail(sim::OperationKind::kWrite, "volumes/src");
    const std::unique_ptr<Thread> host = sim_.machine.runtime().StartThread("host", [&] {
      const std::unique_ptr<VolumeIo> io = sim_.OpenVolume("src");
      while (io->Write(0, Pattern(kBlock, 9)).ok()) {
      }
    });
    Rest(absl::Seconds(5));
    const absl::Duration begin = sim_.machine.runtime().BootTime();
    (void)sim_.engine->Seal();
    EXPECT_LT(sim_.machine.runtime().BootTime() - begin, absl::Seconds(5));
    sim_.machine.steps().ClearFaults();
    sim_.Open();
    std::copy_n(Pattern(kBlock, 9).begin(), kBlock, expected_.begin());
    EXPECT_EQ(Content("src"), expected_);
  });
}

// A block beside it is in the log.
TEST_F(EngineWriteLogTest, AWriteThatReachesIntoAHoleIsNotAcknowledgedFromTheLog) {
  Run([&](uint64_t id) {
    ASSERT_OK(sim_.OpenVolume("src")->Discard(kBlock, kBlock));
    std::fill_n(expected_.begin() + kBlock, kBlock, std::byte{0});
    ASSERT_OK(sim_.engine->StopClone(id));
    ASSERT_OK(sim_.engine->ActivateClones({id}));
    const std::vector<std::byte> before = expected_;
    ASSERT_OK(sim_.engine->StartClones({id}));
    Write(0, Pattern(kBlock, 2));
    EXPECT_EQ(FileOf("src"), before);
    Write(0, Pattern(2 * kBlock, 3));
    EXPECT_EQ(FileOf("src"), expected_);
    EXPECT_EQ(Content("dst"), before);
  });
}

}  // namespace
}  // namespace baton
