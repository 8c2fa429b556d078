// An engine on a simulated machine, whose storage fails as a test wants it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/meta/catalog.h"
#include "engine/meta/pool_file.h"
#include "tests/base/testing.h"
#include "tests/sim/sim_machine.h"

namespace baton {

// Open until the epoch is lost.
class LosableFence final : public Fence {
 public:
  absl::Status Check() const override {
    return is_lost ? absl::AbortedError("the epoch is lost") : absl::OkStatus();
  }
  bool is_lost = false;
};

class SimEngine {
 public:
  explicit SimEngine(uint64_t seed = 1) : machine(seed) {}

  // In the machine: a pool and its first engine, whose copiers are held, and then `body`.
  void Run(const std::function<void()>& body) {
    machine.runtime().Run([&] {
      ASSERT_OK(InitPool(machine.storage(), DURABILITY_NODE, machine.runtime(), "sim"));
      Open();
      body();
      engine.reset();
    });
  }
  // The engine of the next epoch.
  void Open() {
    engine.reset();
    engine = Must(Engine::Open({.storage = machine.storage(),
                                .runtime = machine.runtime(),
                                .fence = fence,
                                .meta = machine.meta().Open(),
                                .epoch = ++epoch_,
                                .node = "sim",
                                .request_buffers = 4,
                                .copy_buffers = 2,
                                .hold_copiers = true,
                                .write_log_shape = write_log_shape,
                                .on_fault = [this](const absl::Status& why) { fault = why; }}));
  }
  std::unique_ptr<VolumeIo> OpenVolume(const std::string& name) {
    return Must(engine->OpenVolume(Must(engine->ShowVolume(name)).id()));
  }
  // Of new volumes "src", which holds `content`, and "dst"; started.
  uint64_t StartClone(Bytes content, uint64_t extent_bytes, OnError on_error = FAIL_CLONE) {
    for (const char* name : {"src", "dst"}) {
      EXPECT_OK(engine->CreateVolume({.name = name, .size_bytes = content.size()}));
    }
    EXPECT_OK(OpenVolume("src")->Write(0, content));
    const uint64_t id = Must(engine->CreateClone(
        {.source = "src", .target = "dst", .extent_bytes = extent_bytes, .on_error = on_error}));
    EXPECT_OK(engine->ActivateClones({id}));
    EXPECT_OK(engine->StartClones({id}));
    return id;
  }
  // While there is no engine: the record of a volume, as it is in the metadata, is changed.
  void EditVolume(const std::string& name, const std::function<void(VolumeRecord&)>& edit) {
    const std::unique_ptr<MetaStore> store = machine.meta().Open();
    Catalog catalog(*store, machine.runtime(), epoch_, "sim");
    EXPECT_OK(catalog.Load());
    MetaBatch batch;
    for (VolumeRecord& record : Must(catalog.LoadVolumes())) {
      if (record.name() != name) continue;
      edit(record);
      catalog.PutVolume(batch, record);
    }
    EXPECT_OK(catalog.Commit(std::move(batch), Durable::kYes));
  }
  // Every operation of this kind on the file fails from now on.
  void Fail(sim::OperationKind kind, const std::string& path, const absl::Status& status) {
    machine.steps().Inject(
        {.matches = sim::Matching(kind, path), .status = status, .sticky = true});
  }

  sim::SimMachine machine;
  std::unique_ptr<Engine> engine;
  absl::Status fault;
  LosableFence fence;
  // Of engines that are opened from now on.
  WriteLogShape write_log_shape = {.segments = 0};

 private:
  uint64_t epoch_ = 0;
};

}  // namespace baton
