// Commands and hosts that meet, in many interleavings, on a simulated machine.
#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "engine/engine.h"
#include "engine/meta/pool_file.h"
#include "tests/base/testing.h"
#include "tests/sim/sim_machine.h"

namespace baton {
namespace {

constexpr uint64_t kBlock = limits::kBlockBytes;
constexpr uint64_t kSize = 8 * kBlock;
constexpr uint64_t kSeeds = 300;

// An engine with the volumes "src" (full of a pattern) and "dst".
class Races : public testing::Test {
 protected:
  void ForEverySeed(const std::function<void(sim::SimRuntime&, Engine&)>& body) {
    for (uint64_t seed = 1; seed <= kSeeds && !HasFailure(); ++seed) {
      SCOPED_TRACE("seed " + std::to_string(seed));
      sim::SimMachine machine(seed);
      machine.runtime().Run([&] {
        ASSERT_OK(InitPool(machine.storage(), DURABILITY_NODE, machine.runtime(), "sim"));
        const std::unique_ptr<Engine> engine =
            Must(Engine::Open({.storage = machine.storage(),
                               .runtime = machine.runtime(),
                               .fence = fence_,
                               .meta = machine.meta().Open(),
                               .epoch = 1,
                               .node = "sim",
                               .request_buffers = 4,
                               .request_bytes = 2 * kBlock,
                               .copy_buffers = 2,
                               .copy_bytes = 2 * kBlock,
                               .write_log_shape = {.segments = 0},
                               .on_fault = {}}));
        ASSERT_OK(engine->CreateVolume({.name = "src", .size_bytes = kSize}));
        ASSERT_OK(engine->CreateVolume({.name = "dst", .size_bytes = kSize}));
        ASSERT_OK(Open(*engine, "src")->Write(0, Pattern(kSize, 1)));
        body(machine.runtime(), *engine);
      });
    }
  }
  static std::unique_ptr<VolumeIo> Open(Engine& engine, const std::string& name) {
    return Must(engine.OpenVolume(Must(engine.ShowVolume(name)).id()));
  }
  static uint64_t Start(Engine& engine, uint64_t rate_bytes_per_second) {
    CloneOptions options;
    options.source = "src";
    options.target = "dst";
    options.extent_bytes = kBlock;
    options.rate_bytes_per_second = rate_bytes_per_second;
    const uint64_t id = Must(engine.CreateClone(options));
    EXPECT_OK(engine.ActivateClones({id}));
    EXPECT_OK(engine.StartClones({id}));
    return id;
  }

  OpenFence fence_;
};

// What a write in flight changes may be seen afterwards; what it only read and wrote back, not.
TEST_F(Races, AnUnfinishedCloneIsDeletedWhileItsTargetIsWritten) {
  ForEverySeed([](sim::SimRuntime& runtime, Engine& engine) {
    const uint64_t id = Start(engine, 1);
    const std::vector<std::byte> written = Pattern(64, 2);
    std::unique_ptr<Thread> host = runtime.StartThread("host", [&] {
      const std::unique_ptr<VolumeIo> io = Open(engine, "dst");
      for (uint64_t block = 0; block < 8; ++block) {
        (void)io->Write(block * kBlock + 128, written);
      }
    });
    runtime.SleepFor(absl::Milliseconds(2));
    ASSERT_OK(engine.StopClone(id));
    ASSERT_OK(engine.DeleteClone(id));
    host.reset();
    std::vector<std::byte> content(kSize);
    ASSERT_OK(Open(engine, "dst")->Read(0, content));
    for (uint64_t offset = 0; offset < kSize; ++offset) {
      const uint64_t in_block = offset % kBlock;
      if (in_block >= 128 && in_block < 128 + 64) continue;
      ASSERT_EQ(content[offset], std::byte{0}) << "at " << offset;
    }
  });
}

TEST_F(Races, ACloneAndItsTargetAreDeletedWhileItIsVerified) {
  ForEverySeed([](sim::SimRuntime& runtime, Engine& engine) {
    const uint64_t id = Start(engine, 0);
    while (Must(engine.ShowClone(id)).state() != "completed") {
      runtime.SleepFor(absl::Milliseconds(1));
    }
    absl::Status verified;
    std::unique_ptr<Thread> user = runtime.StartThread("user", [&] {
      const absl::StatusOr<VerifyReport> report = engine.VerifyClone(id, nullptr);
      verified = report.status();
      if (report.ok()) {
        EXPECT_EQ(report->extents_differing(), 0u);
      }
    });
    runtime.SleepFor(absl::Microseconds(runtime.seed() * 3));
    ASSERT_OK(engine.DeleteClone(id));
    ASSERT_OK(engine.DeleteVolume("dst"));
    user.reset();
    if (!verified.ok()) {
      EXPECT_CODE(verified, kNotFound);
    }
  });
}

// One of them comes first; the other one is told so.
TEST_F(Races, ACloneCompletesWhileItIsPausedAndStopped) {
  ForEverySeed([](sim::SimRuntime& runtime, Engine& engine) {
    const uint64_t id = Start(engine, 0);
    runtime.SleepFor(absl::Microseconds(runtime.seed() * 20));
    const absl::Status paused = engine.PauseClone(id);
    const absl::Status stopped = engine.StopClone(id);
    EXPECT_TRUE(paused.ok() || absl::IsFailedPrecondition(paused)) << paused;
    std::vector<std::byte> content(kSize);
    const absl::Status read = Open(engine, "dst")->Read(0, content);
    if (stopped.ok()) {
      EXPECT_EQ(Must(engine.ShowClone(id)).state(), "stopped");
      EXPECT_CODE(read, kFailedPrecondition);
    } else {
      EXPECT_CODE(stopped, kFailedPrecondition);
      EXPECT_EQ(Must(engine.ShowClone(id)).state(), "completed");
      EXPECT_EQ(content, Pattern(kSize, 1));
    }
  });
}

// Writes once to a volume that it opens at some instant, and keeps it open.
class LateOpener {
 public:
  LateOpener(sim::SimRuntime& runtime, Engine& engine, uint64_t volume, absl::Duration when)
      : thread_(runtime.StartThread("host", [this, &runtime, &engine, volume, when] {
          runtime.SleepFor(when);
          absl::StatusOr<std::unique_ptr<VolumeIo>> io = engine.OpenVolume(volume);
          while (absl::IsAborted(io.status())) {
            runtime.SleepFor(absl::Microseconds(10));
            io = engine.OpenVolume(volume);
          }
          if (!io.ok()) return;
          io_ = *std::move(io);
          acknowledged_ = io_->Write(0, Pattern(kBlock, 3)).ok();
        })) {}
  // Waits for the write.
  bool acknowledged() {
    thread_.reset();
    return acknowledged_;
  }

 private:
  std::unique_ptr<VolumeIo> io_;
  bool acknowledged_ = false;
  std::unique_ptr<Thread> thread_;
};

TEST_F(Races, AVolumeIsOpenedWhileItIsDeleted) {
  uint64_t kept = 0;
  ForEverySeed([&kept](sim::SimRuntime& runtime, Engine& engine) {
    const uint64_t volume = Must(engine.ShowVolume("dst")).id();
    LateOpener host(runtime, engine, volume, absl::Microseconds(runtime.seed() * 3));
    const absl::Status deleted = engine.DeleteVolume("dst");
    EXPECT_TRUE(deleted.ok() || absl::IsFailedPrecondition(deleted)) << deleted;
    EXPECT_FALSE(deleted.ok() && host.acknowledged());
    kept += host.acknowledged() ? 1 : 0;
  });
  EXPECT_LT(kept, kSeeds) << "no deletion came first";
}

// The second target is opened while the first one is emptied.
TEST_F(Races, ATargetIsOpenedWhileItIsActivated) {
  ForEverySeed([](sim::SimRuntime& runtime, Engine& engine) {
    const uint64_t second = Must(engine.CreateVolume({.name = "dst2", .size_bytes = kSize})).id;
    std::vector<uint64_t> ids;
    for (const char* target : {"dst", "dst2"}) {
      CloneOptions options;
      options.source = "src";
      options.target = target;
      options.extent_bytes = kBlock;
      ids.push_back(Must(engine.CreateClone(options)));
    }
    LateOpener host(runtime, engine, second, absl::Microseconds(runtime.seed() * 5));
    const absl::Status activated = engine.ActivateClones(ids);
    EXPECT_TRUE(activated.ok() || absl::IsFailedPrecondition(activated)) << activated;
    EXPECT_FALSE(activated.ok() && host.acknowledged()) << "its content is gone";
  });
}

// Hosts are never in the way of a T0, nor a T0 of hosts.
TEST_F(Races, AGroupStartsUnderWritesToBothSources) {
  ForEverySeed([](sim::SimRuntime& runtime, Engine& engine) {
    ASSERT_OK(engine.CreateVolume({.name = "src2", .size_bytes = kSize}));
    ASSERT_OK(engine.CreateVolume({.name = "dst2", .size_bytes = kSize}));
    std::vector<uint64_t> ids;
    for (const char* number : {"", "2"}) {
      CloneOptions options;
      options.source = std::string("src") + number;
      options.target = std::string("dst") + number;
      options.extent_bytes = kBlock;
      ids.push_back(Must(engine.CreateClone(options)));
    }
    ASSERT_OK(engine.ActivateClones(ids));
    // Each block is written to one source and then, once that was acknowledged, to the other.
    std::unique_ptr<Thread> host = runtime.StartThread("host", [&] {
      for (uint8_t round = 2; round < 10; ++round) {
        EXPECT_OK(Open(engine, "src")->Write(0, Pattern(64, round)));
        EXPECT_OK(Open(engine, "src2")->Write(0, Pattern(64, round)));
      }
    });
    runtime.SleepFor(absl::Microseconds(runtime.seed() * 10));
    ASSERT_OK(engine.StartClones(ids));
    host.reset();
    uint8_t rounds[2] = {};
    for (int i = 0; i < 2; ++i) {
      std::vector<std::byte> seen(64);
      ASSERT_OK(Open(engine, i == 0 ? "dst" : "dst2")->Read(0, seen));
      for (uint8_t round = 1; round < 10; ++round) {
        const std::vector<std::byte> whole = Pattern(64, round);
        if (std::equal(seen.begin(), seen.end(), whole.begin())) rounds[i] = round;
      }
    }
    EXPECT_GE(rounds[0], 1) << "a write was torn by T0";
    const int second = rounds[1] == 0 ? 1 : rounds[1];
    EXPECT_TRUE(rounds[0] == second || rounds[0] == second + 1)
        << "the first source is at " << int{rounds[0]} << ", the second at " << second;
  });
}

}  // namespace
}  // namespace baton
