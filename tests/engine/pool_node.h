// A controller of a pool without its mount and its peers: the owner and the standby of one pool,
// in turns and as often as asked, in one process.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/posix_storage.h"
#include "engine/base/system_runtime.h"
#include "engine/engine.h"
#include "engine/lease/claim.h"
#include "engine/lease/node_lock.h"
#include "engine/standby_view.h"
#include "tests/base/testing.h"
#include "tests/meta/lease_support.h"

namespace baton {

class PoolNode {
 public:
  // A node of the pool in `directory`, with its node lock.
  PoolNode(const std::string& directory, const std::string& name);

  // ---- owner ----
  // Claims the next epoch after that of `gone`, recovers with held copiers. The view ends.
  void Own(const OwnerGone& gone);
  void Own();  // looks for the proof itself
  // What the clones that run have left, as recovery has found it.
  std::vector<Residual> Found();
  // Seals, ends the engine, releases the epoch. Begins to follow.
  std::vector<Residual> GiveUp();
  bool owns() const { return engine_ != nullptr; }
  Engine& engine() { return *engine_; }
  uint64_t epoch() const { return claimed_.epoch; }
  // What the successor is told.
  OwnerGone gone() const;
  bool kill_timer_is_armed() const { return kill_time_->has_value(); }

  // ---- standby ----
  void Follow();
  StandbyView& view() { return *view_; }

  PosixStorage& storage() { return *storage_; }
  Runtime& runtime() { return runtime_; }
  std::unique_ptr<VolumeIo> OpenByName(const std::string& name);
  std::vector<std::byte> Content(const std::string& name);

 private:
  const std::string directory_;
  const std::string name_;
  SystemRuntime runtime_;
  std::unique_ptr<PosixStorage> storage_;
  std::unique_ptr<NodeLock> lock_;
  const KillTime kill_time_ = MakeKillTime();
  ClaimedEpoch claimed_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<StandbyView> view_;
};

// Returns when only bits stand for what is copied.
void AwaitLanded(Engine& engine);

// Polls until the view has all that the owner has written, then compares everything that both
// show. The owner must be quiet.
void ExpectSameView(PoolNode& owner, PoolNode& standby);

}  // namespace baton
