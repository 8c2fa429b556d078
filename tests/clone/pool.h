// A pool on a simulated machine, with what the parts of engine/clone need around them.
#pragma once

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/fence.h"
#include "engine/clone/clone_run.h"
#include "engine/clone/intent_log.h"
#include "engine/meta/pool_file.h"
#include "tests/base/testing.h"
#include "tests/sim/sim_machine.h"

namespace baton {

inline constexpr uint64_t kBlock = limits::kBlockBytes;

// Memory for direct I/O.
class AlignedBlocks {
 public:
  explicit AlignedBlocks(size_t bytes) : memory_(bytes), bytes_(memory_.data(), bytes) {}
  MutableBytes bytes() const { return bytes_; }

 private:
  const ResidentMemory memory_;
  const MutableBytes bytes_;
};

// The storage of an empty pool.
struct SimPool {
  explicit SimPool(uint64_t seed = 1) : machine(seed) {
    machine.runtime().Run([this] {
      EXPECT_OK(InitPool(machine.storage(), DURABILITY_NODE, machine.runtime(), "sim"));
    });
  }
  sim::SimRuntime& runtime() { return machine.runtime(); }
  sim::SimStorage& storage() { return machine.storage(); }

  sim::SimMachine machine;
};

// Two volumes and what copies between them. Lives inside a SimRuntime::Run.
class CopyBench {
 public:
  CopyBench(SimPool& pool, uint64_t size_bytes, bool keeps_digests = true)
      : pool_(pool),
        geometry{size_bytes, 2 * kBlock},
        store(pool.machine.meta().Open()),
        catalog(*store, pool.runtime(), 1, "test"),
        fault([](const absl::Status&) {}),
        bounce(pool.runtime(), 4, 4 * kBlock),
        buffers(pool.runtime(), 2, 4 * kBlock),
        log(Must(IntentLog::Open(pool.storage(), pool.runtime(), 1))) {
    EXPECT_OK(catalog.Load());
    EXPECT_OK(log->ForEach([](uint64_t, const IntentSlot&) { return absl::OkStatus(); }));
    committer = std::make_unique<BitmapCommitter>(pool.runtime(), catalog, *log, fault);
    writeback = std::make_unique<LogWriteback>(pool.runtime(), *log, *committer, fault,
                                               [this](uint64_t, const absl::Status& why) {
                                                 failure = why;
                                                 run->SetPhase(CloneRun::Phase::kOver);
                                                 return absl::OkStatus();
                                               });
    source = MakeVolume(2, "src");
    target = MakeVolume(3, "dst");
    services = std::make_unique<CopyServices>(CopyServices{pool.runtime(), pool.storage(), fence,
                                                           fault, catalog, *log, *committer,
                                                           *writeback, buffers});
    run = MakeRun({.run_id = 10, .keeps_digests = keeps_digests, .geometry = geometry});
  }

  std::shared_ptr<CloneRun> MakeRun(const CloneRun::Options& options) {
    return std::make_shared<CloneRun>(*services, options, source, target);
  }

  std::vector<std::byte> Content(Volume& volume) {
    std::vector<std::byte> content(geometry.size_bytes);
    EXPECT_OK(volume.file->Read(0, content));
    return content;
  }
  bool IsRecorded(uint64_t extent) {
    bool found = false;
    EXPECT_OK(catalog.LoadCopied(10, [&](uint64_t first, uint64_t count) {
      found = found || (first <= extent && extent < first + count);
    }));
    return found;
  }

 private:
  std::shared_ptr<Volume> MakeVolume(uint64_t id, const std::string& name) {
    const std::string path = "volumes/" + name;
    std::unique_ptr<File> file = Must(pool_.storage().Open(path, {.create = true, .direct = true}));
    EXPECT_OK(file->Truncate(geometry.size_bytes));
    VolumeRecord record;
    record.set_id(id);
    record.set_name(name);
    record.set_size_bytes(geometry.size_bytes);
    auto volume_file =
        std::make_unique<VolumeFile>(VolumeFile::Options{.runtime = pool_.runtime(),
                                                         .fence = fence,
                                                         .bounce = bounce,
                                                         .file = std::move(file),
                                                         .size_bytes = geometry.size_bytes,
                                                         .durability = DURABILITY_NODE,
                                                         .on_fault = [](const absl::Status&) {}});
    return std::make_shared<Volume>(pool_.runtime(), record, std::move(volume_file), 0);
  }

  SimPool& pool_;

 public:
  const Geometry geometry;
  OpenFence fence;
  const std::unique_ptr<MetaStore> store;
  Catalog catalog;
  Fault fault;
  BufferPool bounce;
  BufferPool buffers;  // of two extents
  const std::unique_ptr<IntentLog> log;
  std::shared_ptr<Volume> source;
  std::shared_ptr<Volume> target;
  std::unique_ptr<CopyServices> services;
  std::shared_ptr<CloneRun> run;
  absl::Status failure;  // why the run has failed in the writeback's hands
  std::unique_ptr<BitmapCommitter> committer;
  std::unique_ptr<LogWriteback> writeback;  // goes first: these two know runs
};

}  // namespace baton
