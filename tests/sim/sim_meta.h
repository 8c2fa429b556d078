// MetaStore in memory, with a log that a crash cuts off somewhere behind what was synced.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/meta/meta_store.h"
#include "tests/sim/sim_steps.h"

namespace baton::sim {

// The medium: it outlives the stores that are opened on it. Stores of before a crash are dead.
//
// A write goes to the end of the log; it is visible, and with kYes durable, together with all
// before it, when the first call that follows it in the log returns.
class SimMeta {
 public:
  explicit SimMeta(Steps& steps) : steps_(steps) {}

  std::unique_ptr<MetaStore> Open();

  // ---- for tests; no steps ----
  // Once the crashed tasks have ended: what `kind` leaves.
  void Crash(CrashKind kind);
  // How many batches are durable, and how many there are.
  size_t durable_batches() const { return durable_; }
  size_t batches() const { return log_.size(); }

 private:
  friend class SimMetaStore;

  using Rows = std::map<std::string, std::string>;

  void Apply(const MetaBatch::Operation& operation);
  // Makes visible what is in the log before `end`.
  void ApplyUpTo(size_t end);

  Steps& steps_;
  std::vector<MetaBatch> log_;  // all batches since the medium was made
  size_t durable_ = 0;          // of the log
  size_t visible_ = 0;          // of the log; applied to columns_
  std::array<Rows, kColumns> columns_;
};

}  // namespace baton::sim
