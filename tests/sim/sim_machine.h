// One simulated machine: runtime, storage and metadata store, all from one seed.
#pragma once

#include "tests/sim/sim_meta.h"
#include "tests/sim/sim_runtime.h"
#include "tests/sim/sim_steps.h"
#include "tests/sim/sim_storage.h"

namespace baton::sim {

// A test of crashes:
//
//   SimMachine machine(seed);
//   machine.steps().CrashAt(step, CrashKind::kPower);
//   machine.runtime().Run([&] { ... open the engine, work, destroy it ... });
//   machine.Restart();       // also after a run that ended before its crash
//   machine.runtime().Run([&] { ... open the engine again, compare ... });
//
// Runs with the same seed are equal up to the crash, whatever crash is armed.
class SimMachine {
 public:
  explicit SimMachine(uint64_t seed) : SimMachine(seed, SimStorage::Options{}) {}
  SimMachine(uint64_t seed, const SimStorage::Options& storage)
      : runtime_(seed), steps_(runtime_, ~seed), storage_(steps_, storage), meta_(steps_) {}

  SimRuntime& runtime() { return runtime_; }
  Steps& steps() { return steps_; }
  SimStorage& storage() { return storage_; }
  SimMeta& meta() { return meta_; }

  // What a crash leaves, and the machine runs again. Without a crash the machine is stopped as by
  // CrashKind::kProcess: nothing is lost. All tasks must have ended; files and stores that were
  // opened before stay dead.
  void Restart() {
    const CrashKind kind = steps_.crashed() ? steps_.crash_kind() : CrashKind::kProcess;
    storage_.Crash(kind);
    meta_.Crash(kind);
    steps_.Restart();
  }

 private:
  SimRuntime runtime_;
  Steps steps_;
  SimStorage storage_;
  SimMeta meta_;
};

}  // namespace baton::sim
