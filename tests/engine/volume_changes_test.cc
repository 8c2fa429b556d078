// Volumes that become larger, or get another name.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "engine/base/unique_fd.h"
#include "tests/base/descriptor_limit.h"
#include "tests/engine/engine_pool.h"
#include "tests/engine/sim_engine.h"

namespace baton {
namespace {

class VolumeChanges : public EngineTest {
 protected:
  static constexpr uint64_t kLarger = 2 * kSize;

  VolumeChanges() {
    MakeVolume("src");
    MakeVolume("dst");
    Fill("src", 1);
  }
  static std::vector<std::byte> Grown(uint8_t tag) {
    std::vector<std::byte> content = Filled(tag);
    content.resize(kLarger);
    return content;
  }
  void Reopen() {
    pool_.Close();
    ASSERT_OK(pool_.Open());
  }
  uint64_t SizeOf(const std::string& name) { return Must(pool_->ShowVolume(name)).size_bytes(); }
};

TEST_F(VolumeChanges, AVolumeGrowsWhileItIsOpen) {
  const std::unique_ptr<VolumeIo> io = OpenByName("src");
  ASSERT_OK(pool_->ResizeVolume("src", kLarger));
  EXPECT_EQ(io->size_bytes(), kLarger);
  EXPECT_EQ(SizeOf("src"), kLarger);
  EXPECT_EQ(Content("src"), Grown(1));
  EXPECT_OK(io->Write(kLarger - 5, Pattern(5, 9)));
  EXPECT_CODE(io->Write(kLarger - 5, Pattern(6, 9)), kOutOfRange);
  EXPECT_EQ(std::filesystem::file_size(pool_.Path("volumes/src")), kLarger);
}

TEST_F(VolumeChanges, TheNextEpochHasTheSize) {
  ASSERT_OK(pool_->ResizeVolume("src", kLarger));
  Reopen();
  EXPECT_EQ(Content("src"), Grown(1));
  ASSERT_OK(pool_->ResizeVolume("src", kLarger + limits::kBlockBytes));
  Write("src", kLarger, Pattern(10, 4));
  Reopen();
  EXPECT_EQ(SizeOf("src"), kLarger + limits::kBlockBytes);
  const std::vector<Event> events = Must(pool_->ListEvents(0, 1000));
  const auto resized = [](const Event& event) { return event.kind() == "volume-resized"; };
  EXPECT_EQ(std::count_if(events.begin(), events.end(), resized), 2);
}

TEST_F(VolumeChanges, AThickVolumeHasItsSpaceBeforeItIsLarger) {
  ASSERT_OK(pool_->CreateVolume({.name = "thick", .size_bytes = kSize, .thick = true}));
  ASSERT_OK(pool_->ResizeVolume("thick", kLarger));
  EXPECT_GE(Must(pool_->ShowVolume("thick")).allocated_bytes(), kLarger);
}

TEST_F(VolumeChanges, WhatThereIsNoSpaceForLeavesTheVolumeAsItWas) {
  ASSERT_OK(pool_->CreateVolume({.name = "thick", .size_bytes = kSize, .thick = true}));
  const uint64_t total = Must(pool_.storage().TotalBytes());
  const uint64_t free = Must(pool_.storage().FreeBytes());
  const uint64_t wanted = (free + (total - free) / 2) / limits::kMiB * limits::kMiB;
  if (wanted <= free + limits::kGiB) GTEST_SKIP() << "the file system is nearly empty";
  EXPECT_CODE(pool_->ResizeVolume("thick", wanted), kResourceExhausted);
  EXPECT_EQ(SizeOf("thick"), kSize);
  EXPECT_EQ(std::filesystem::file_size(pool_.Path("volumes/thick")), kSize);
  Reopen();
  EXPECT_OK(pool_->ResizeVolume("thick", kLarger));
}

TEST_F(VolumeChanges, SizesThatAreNotLargerAreRefused) {
  for (const uint64_t size : {uint64_t{0}, uint64_t{4096}, kSize}) {
    EXPECT_REFUSED(pool_->ResizeVolume("src", size), kInvalidArgument, "can only grow");
  }
  for (const uint64_t size : {kSize + 1, uint64_t{UINT64_MAX}}) {
    EXPECT_REFUSED(pool_->ResizeVolume("src", size), kInvalidArgument, "volume size");
  }
  const uint64_t total = Must(pool_.storage().TotalBytes());
  EXPECT_REFUSED(pool_->ResizeVolume("src", (total / kSize + 1) * kSize), kResourceExhausted,
                 "larger than");
  EXPECT_REFUSED(pool_->ResizeVolume("none", kLarger), kNotFound, "there is no volume none");
  ASSERT_OK(pool_->CreateVolume({.name = "half", .size_bytes = kSize, .importing = true}));
  EXPECT_REFUSED(pool_->RenameVolume("half", "other"), kFailedPrecondition, "being imported");
  EXPECT_REFUSED(pool_->ResizeVolume("half", kLarger), kFailedPrecondition, "being imported");
}

TEST_F(VolumeChanges, AVolumeThatACloneNamesDoesNotGrow) {
  for (const std::string state : {"created", "activated", "copying", "paused", "stopped"}) {
    const uint64_t id = MakeIn(state);
    for (const char* volume : {"src", "dst"}) {
      EXPECT_REFUSED(pool_->ResizeVolume(volume, kLarger), kFailedPrecondition, state);
    }
    if (state != "stopped" && state != "created") {
      EXPECT_OK(pool_->StopClone(id));
    }
    ASSERT_OK(pool_->DeleteClone(id));
  }
}

TEST_F(VolumeChanges, ACloneOfGrownVolumesCopiesAllOfThem) {
  ASSERT_OK(pool_->ResizeVolume("dst", kLarger));
  EXPECT_REFUSED(pool_->CreateClone(Options("src", "dst")), kInvalidArgument, "differ in size");
  ASSERT_OK(pool_->ResizeVolume("src", kLarger));
  AwaitState(Start("src", "dst"), "completed");
  EXPECT_EQ(Content("dst"), Grown(1));
}

TEST_F(VolumeChanges, ACompletedCloneIsStillVerified) {
  const uint64_t id = MakeIn("completed");
  ASSERT_OK(pool_->ResizeVolume("dst", kLarger));
  EXPECT_EQ(Must(pool_->VerifyClone(id, nullptr)).extents_differing(), 0u);
}

TEST_F(VolumeChanges, ARenamedVolumeKeepsAllButItsName) {
  const VolumeInfo before = Must(pool_->FindVolume("src"));
  ASSERT_OK(pool_->RenameVolume("src", "other"));
  const VolumeInfo after = Must(pool_->FindVolume("other"));
  EXPECT_EQ(after.id, before.id);
  EXPECT_EQ(after.changed_unix_us, before.changed_unix_us);
  EXPECT_EQ(after.created_unix_us, before.created_unix_us);
  EXPECT_EQ(Content("other"), Filled(1));
  EXPECT_CODE(pool_->ShowVolume("src"), kNotFound);
  EXPECT_FALSE(std::filesystem::exists(pool_.Path("volumes/src")));
  Write("other", 0, Pattern(10, 7));
  Reopen();
  EXPECT_EQ(Must(pool_->FindVolume("other")).id, before.id);
  MakeVolume("src");
  EXPECT_EQ(Content("src"), Zeros());
}

TEST_F(VolumeChanges, NamesThatAreTakenAreRefused) {
  EXPECT_REFUSED(pool_->RenameVolume("src", "dst"), kAlreadyExists, "volume dst exists already");
  EXPECT_REFUSED(pool_->RenameVolume("src", "src"), kAlreadyExists, "volume src exists already");
  EXPECT_REFUSED(pool_->RenameVolume("src", "NO!"), kInvalidArgument, "name");
  EXPECT_REFUSED(pool_->RenameVolume("none", "other"), kNotFound, "there is no volume none");
  std::ofstream(pool_.Path("volumes/stray")) << "somebody's";
  EXPECT_REFUSED(pool_->RenameVolume("src", "stray"), kAlreadyExists, "adopt stray");
  EXPECT_EQ(Content("src"), Filled(1));
}

TEST_F(VolumeChanges, AVolumeInUseIsNotRenamed) {
  {
    const std::unique_ptr<VolumeIo> io = OpenByName("src");
    EXPECT_REFUSED(pool_->RenameVolume("src", "other"), kFailedPrecondition, "is open (1 handles)");
  }
  const uint64_t id = Create("src", "dst");
  EXPECT_REFUSED(pool_->RenameVolume("src", "other"), kFailedPrecondition, "uses volume src");
  EXPECT_REFUSED(pool_->RenameVolume("dst", "other"), kFailedPrecondition, "uses volume dst");
  ASSERT_OK(pool_->DeleteClone(id));
  EXPECT_OK(pool_->RenameVolume("src", "other"));
}

TEST_F(VolumeChanges, ARenameWithoutADescriptorLeavesTheVolumeAsItWas) {
  const UniqueFd next(::open("/", O_PATH | O_CLOEXEC));
  {
    const DescriptorLimit limit(static_cast<rlim_t>(next.get()) + 12);
    EXPECT_CODE(pool_->RenameVolume("src", "other"), kResourceExhausted);
  }
  EXPECT_EQ(Content("src"), Filled(1));
  EXPECT_OK(pool_->RenameVolume("src", "other"));
}

TEST_F(VolumeChanges, WhatWasInTheWriteLogIsInTheRenamedVolume) {
  const uint64_t id = Start("src", "dst", kCrawl);
  Fill("src", 2);
  ASSERT_OK(pool_->StopClone(id));
  ASSERT_OK(pool_->DeleteClone(id));
  ASSERT_OK(pool_->RenameVolume("src", "other"));
  EXPECT_EQ(Content("other"), Filled(2));
  const uint64_t again = Start("other", "dst", kCrawl);
  Fill("other", 3);
  ASSERT_OK(pool_->StopClone(again));
  Reopen();
  EXPECT_EQ(Content("other"), Filled(3));
}

// ---- on a simulated machine ----

using sim::OperationKind;

constexpr uint64_t kSmall = 8 * limits::kBlockBytes;

uint64_t SizeOfFile(SimEngine& sim, const std::string& name) {
  return Must(Must(sim.machine.storage().Open("volumes/" + name, {}))->SizeBytes());
}

// So that `bytes` are free.
void LeaveFree(SimEngine& sim, uint64_t bytes) {
  sim::SimStorage& storage = sim.machine.storage();
  const uint64_t used = Must(storage.TotalBytes()) - Must(storage.FreeBytes());
  storage.set_capacity_bytes(used + bytes);
}

TEST(VolumeSpace, AThickVolumeLeavesSomeToClones) {
  SimEngine sim;
  sim.Run([&] {
    ASSERT_OK(sim.engine->CreateVolume({.name = "a", .size_bytes = kSmall, .thick = true}));
    LeaveFree(sim, limits::kReserveBytes + kSmall);
    const uint64_t changes = sim.machine.steps().count();
    EXPECT_CODE(sim.engine->ResizeVolume("a", 2 * kSmall + limits::kBlockBytes),
                kResourceExhausted);
    EXPECT_CODE(sim.engine->CreateVolume(
                    {.name = "b", .size_bytes = kSmall + limits::kBlockBytes, .thick = true}),
                kResourceExhausted);
    EXPECT_EQ(sim.machine.steps().count(), changes) << "nothing was tried";
    EXPECT_OK(sim.engine->ResizeVolume("a", 2 * kSmall));
  });
}

TEST(VolumeSpace, AThickVolumeStopsWhenTheSpaceGoesMeanwhile) {
  SimEngine sim;
  sim.Run([&] {
    ASSERT_OK(sim.engine->CreateVolume({.name = "a", .size_bytes = kSmall, .thick = true}));
    // The second slice fits, but leaves less than the reserve.
    const auto take_space = [&](const sim::Operation& operation) {
      if (operation.kind != OperationKind::kAllocate) return;
      sim.machine.storage().set_capacity_bytes(2 * limits::kThickSliceBytes +
                                               limits::kReserveBytes);
    };
    const uint64_t large = kSmall + 2 * limits::kThickSliceBytes;
    sim.machine.steps().Observe(take_space);
    EXPECT_CODE(sim.engine->ResizeVolume("a", large), kResourceExhausted);
    EXPECT_EQ(SizeOfFile(sim, "a"), kSmall);
    EXPECT_EQ(Must(sim.engine->FindVolume("a")).size_bytes, kSmall);
    sim.machine.storage().set_capacity_bytes(limits::kGiB);
    EXPECT_CODE(sim.engine->CreateVolume({.name = "b", .size_bytes = large, .thick = true}),
                kResourceExhausted);
    EXPECT_FALSE(Must(sim.machine.storage().Exists("volumes/b")));
    EXPECT_OK(sim.fault);
  });
}

// The epoch is lost when the change is recorded, and its first step is about to come.
absl::Status ChangeWithoutEpoch(SimEngine& sim,
                                const std::function<absl::Status(Engine&)>& change) {
  sim.machine.steps().Observe([&sim](const sim::Operation& operation) {
    if (operation.kind == OperationKind::kMetaDurableWrite) sim.fence.is_lost = true;
  });
  const absl::Status status = change(*sim.engine);
  sim.machine.steps().Observe(nullptr);
  EXPECT_FALSE(sim.fault.ok()) << "the change is recorded, and nothing may go on";
  sim.engine.reset();
  sim.fence.is_lost = false;
  sim.fault = absl::OkStatus();
  return status;
}

TEST(LostEpoch, NoStepOfAChangeIsTaken) {
  SimEngine sim;
  sim.Run([&] {
    ASSERT_OK(sim.engine->CreateVolume({.name = "a", .size_bytes = kSmall}));
    EXPECT_CODE(ChangeWithoutEpoch(
                    sim, [](Engine& engine) { return engine.ResizeVolume("a", 2 * kSmall); }),
                kAborted);
    EXPECT_EQ(SizeOfFile(sim, "a"), kSmall);
    sim.Open();
    EXPECT_CODE(
        ChangeWithoutEpoch(sim, [](Engine& engine) { return engine.RenameVolume("a", "b"); }),
        kAborted);
    EXPECT_EQ(SizeOfFile(sim, "a"), kSmall);
    EXPECT_FALSE(Must(sim.machine.storage().Exists("volumes/b")));
    sim.Open();
    EXPECT_OK(sim.engine->RenameVolume("a", "b"));
  });
}

TEST(VolumeCount, AFullPoolCanStillRename) {
  SimEngine sim;
  sim.Run([&] {
    for (uint64_t i = 0; i < limits::kMaxVolumes; ++i) {
      ASSERT_OK(sim.engine->CreateVolume(
          {.name = fmt::format("v{}", i), .size_bytes = limits::kBlockBytes}));
    }
    EXPECT_CODE(sim.engine->CreateVolume({.name = "more", .size_bytes = limits::kBlockBytes}),
                kResourceExhausted);
    EXPECT_OK(sim.engine->RenameVolume("v7", "other"));
  });
}

// As an owner of an older version leaves it, who activates a clone of a volume that has grown.
TEST(GrownVolumes, ACloneThatDoesNotFitThemFails) {
  constexpr uint64_t kExtentBytes = limits::kMinExtentBytes;
  for (const char* grown : {"src", "dst"}) {
    for (const bool is_started : {false, true}) {
      SimEngine sim;
      sim.Run([&] {
        const uint64_t bytes = 4 * kExtentBytes;
        for (const char* name : {"src", "dst"}) {
          ASSERT_OK(sim.engine->CreateVolume({.name = name, .size_bytes = bytes}));
        }
        const uint64_t id = Must(sim.engine->CreateClone(
            {.source = "src", .target = "dst", .extent_bytes = kExtentBytes}));
        ASSERT_OK(sim.engine->ActivateClones({id}));
        if (is_started) {
          ASSERT_OK(sim.engine->StartClones({id}));
        }
        sim.engine.reset();
        ASSERT_OK(
            Must(sim.machine.storage().Open(std::string("volumes/") + grown, {}))->Grow(2 * bytes));
        sim.EditVolume(grown, [&](VolumeRecord& record) { record.set_size_bytes(2 * bytes); });
        for (int epoch = 0; epoch < 2; ++epoch) {
          sim.Open();
          const CloneStatus clone = Must(sim.engine->ShowClone(id));
          EXPECT_EQ(clone.state(), "failed");
          EXPECT_THAT(clone.error(), testing::HasSubstr(fmt::format("volume {} has", grown)));
          EXPECT_OK(sim.OpenVolume("src")->Write(0, Pattern(bytes, 1)));
        }
        EXPECT_CODE(sim.engine->ActivateClones({id}), kFailedPrecondition);
        EXPECT_OK(sim.engine->DeleteClone(id));
      });
    }
  }
}

}  // namespace
}  // namespace baton
