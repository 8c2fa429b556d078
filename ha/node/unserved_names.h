// Names and attributes in the mount while nobody serves the pool.
#pragma once

#include <absl/time/time.h>

#include <atomic>
#include <optional>

#include "engine/base/runtime.h"
#include "ha/node/storage_watch.h"
#include "ha/node/view_follower.h"
#include "ha/volumes/router.h"
#include "ha/volumes/view_volumes.h"

namespace baton::ha {

// Has them answered from the standby's view when that is as good as it gets.
class UnservedNames {
 public:
  // The references outlive this, and this every request of the mount.
  UnservedNames(Runtime& runtime, Router& router, const ViewFollower& follower,
                const StorageWatch& watch);

  // `is_served`: somebody serves the mount and is heard. Now and then, by one thread.
  void Tick(bool is_served);
  // Nobody has served the pool for longer than a moment, as far as this node hears: what is known
  // here is as good as it gets. Any thread.
  bool unserved() const { return unserved_; }

 private:
  Runtime& runtime_;
  Router& router_;
  const ViewFollower& follower_;
  ViewVolumes volumes_;
  std::atomic<bool> unserved_ = false;
  std::optional<absl::Duration> since_;  // nobody serves that is heard
};

}  // namespace baton::ha
