// A volume is made larger or gets another name, and the machine crashes at each of the operations
// of that: the volume is what it was or what it becomes, as a whole, and it is that what was
// answered.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/mutant.h"
#include "engine/engine.h"
#include "engine/meta/pool_file.h"
#include "tests/base/testing.h"
#include "tests/sim/sim_machine.h"

namespace baton::crash {
namespace {

constexpr uint64_t kSmall = 8 * limits::kBlockBytes;
constexpr LogShape kChangeLog = {.entries = 4, .data_bytes = 64 * limits::kKiB};
constexpr uint64_t kLarge = 20 * limits::kBlockBytes;

struct Change {
  std::function<absl::Status(Engine&)> command;
  uint64_t size_bytes = kSmall;
  std::string name = "a";
  bool thick = false;
};

Change Resizing(bool thick) {
  return {.command = [](Engine& engine) { return engine.ResizeVolume("a", kLarge); },
          .size_bytes = kLarge,
          .thick = thick};
}
Change Renaming() {
  return {.command = [](Engine& engine) { return engine.RenameVolume("a", "b"); }, .name = "b"};
}

class ChangeScene {
 public:
  ChangeScene(uint64_t seed, const Change& change) : change_(change), machine_(seed) {
    machine_.runtime().Run([&] {
      EXPECT_OK(InitPool(machine_.storage(), DURABILITY_NODE, machine_.runtime(), "sim"));
      std::unique_ptr<File> intents = *machine_.storage().Open("intents", {});
      EXPECT_OK(intents->Truncate(kChangeLog.file_bytes()));
      EXPECT_OK(intents->Sync());
      Open();
      EXPECT_OK(engine_->CreateVolume({.name = "a", .size_bytes = kSmall, .thick = change.thick}));
      std::unique_ptr<VolumeIo> io = OpenVolume("a");
      EXPECT_OK(io->Write(0, Pattern(kSmall, 1)));
      EXPECT_OK(io->Flush());
      io.reset();
      engine_.reset();
    });
    machine_.Restart();
  }

  // The crash comes at that operation of the command. False: the command has fewer.
  bool CrashAt(uint64_t operation, sim::CrashKind kind) {
    machine_.runtime().Run([&] {
      Open();
      if (engine_ == nullptr) return;
      machine_.steps().CrashAt(machine_.steps().count() + operation, kind);
      answered_ = change_.command(*engine_).ok();
      if (!machine_.steps().crashed())
        machine_.steps().CrashNow(kind);
      else
        was_inside_ = true;
      engine_.reset();
    });
    machine_.Restart();
    return was_inside_;
  }

  // What is wrong with what is there now; empty: nothing.
  std::string Look() {
    std::string wrong;
    machine_.runtime().Run([&] {
      Open();
      if (engine_ == nullptr) {
        wrong = "the pool cannot be opened: " + refusal_;
      } else {
        wrong = LookInside();
      }
      engine_.reset();
    });
    return wrong;
  }

 private:
  void Open() {
    absl::StatusOr<std::unique_ptr<Engine>> engine =
        Engine::Open({.storage = machine_.storage(),
                      .runtime = machine_.runtime(),
                      .fence = fence_,
                      .meta = machine_.meta().Open(),
                      .epoch = ++epoch_,
                      .node = "sim",
                      .request_buffers = 4,
                      .copy_buffers = 2,
                      .log_shape = kChangeLog,
                      .write_log_shape = {.segments = 0},
                      .on_fault = [](const absl::Status&) {}});
    if (engine.ok()) engine_ = *std::move(engine);
    refusal_ = engine.status().ToString();
  }

  std::unique_ptr<VolumeIo> OpenVolume(const std::string& name) {
    return *engine_->OpenVolume(engine_->FindVolume(name)->id);
  }

  std::string LookInside() {
    const std::vector<VolumeInfo> volumes = engine_->ListVolumes();
    if (volumes.size() != 1) return "there is another number of volumes";
    const VolumeInfo& volume = volumes.front();
    const bool is_old = volume.name == "a" && volume.size_bytes == kSmall;
    const bool is_new = volume.name == change_.name && volume.size_bytes == change_.size_bytes;
    if (!is_old && !is_new) return "it is neither what it was nor what it becomes: " + volume.name;
    if (answered_ && !is_new) return "what was answered is lost";
    const std::vector<std::string> files = *machine_.storage().List("volumes");
    if (files != std::vector<std::string>{volume.name}) return "there is another file";
    std::vector<std::byte> expected = Pattern(kSmall, 1);
    expected.resize(volume.size_bytes);
    std::vector<std::byte> content(volume.size_bytes);
    const std::unique_ptr<VolumeIo> io = OpenVolume(volume.name);
    if (!io->Read(0, content).ok() || content != expected) return "its content is another one";
    if (!io->Write(volume.size_bytes - kSmall, Pattern(kSmall, 1)).ok()) return "its end is not";
    return "";
  }

  const Change change_;
  sim::SimMachine machine_;
  OpenFence fence_;
  std::unique_ptr<Engine> engine_;
  std::string refusal_;
  uint64_t epoch_ = 0;
  bool answered_ = false;
  bool was_inside_ = false;
};

// The first thing that is wrong, over all crashes.
std::string CrashEverywhere(const Change& change) {
  for (const auto kind :
       {sim::CrashKind::kProcess, sim::CrashKind::kNode, sim::CrashKind::kPower}) {
    bool was_inside = true;
    for (uint64_t operation = 1; was_inside; ++operation) {
      for (uint64_t seed = 1; seed <= 6; ++seed) {
        ChangeScene scene(seed, change);
        was_inside = scene.CrashAt(operation, kind);
        const std::string wrong = scene.Look();
        if (!wrong.empty()) return fmt::format("operation {}, seed {}: {}", operation, seed, wrong);
      }
    }
    if (testing::Test::HasFailure()) return "the test itself failed";
  }
  return "";
}

TEST(ChangeCrash, ALargerVolumeIsWholeOrAsBefore) {
  EXPECT_EQ(CrashEverywhere(Resizing(false)), "");
  EXPECT_EQ(CrashEverywhere(Resizing(true)), "");
}

TEST(ChangeCrash, ARenamedVolumeHasOneName) { EXPECT_EQ(CrashEverywhere(Renaming()), ""); }

TEST(ChangeCrash, WhatBreaksTheRulesIsCaught) {
  active_mutant = Mutant::kChangeNotRecorded;
  EXPECT_NE(CrashEverywhere(Resizing(false)), "");
  EXPECT_NE(CrashEverywhere(Renaming()), "");
  active_mutant = Mutant::kChangedFileNotSynced;
  EXPECT_NE(CrashEverywhere(Resizing(false)), "");
  active_mutant = Mutant::kNone;
}

}  // namespace
}  // namespace baton::crash
