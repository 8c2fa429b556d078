// What HaNode expects of the program around it, and what it offers to commands of the owner.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "ha/node/owned_epoch.h"

namespace baton::ha {

// The other controllers' part in the commands of the owner. Thread-safe; each may wait for peers.
class OwnerPeers {
 public:
  virtual ~OwnerPeers() = default;

  // Every peer checks the volumes of a clone that is about to be created. FailedPrecondition: a
  // peer is down (it is named), which is no error if `degraded`. Or what a peer says against it.
  virtual absl::Status Prepare(const std::string& source, const std::string& target,
                               uint64_t size_bytes, bool degraded) = 0;
  // Waits until this epoch's owner, this controller, knows what is open in the mount of every node;
  // a command may discard the content of a volume only after that. With `degraded` a node that has
  // not been heard for a while counts as having nothing open. FailedPrecondition: a node (it is
  // named) has not told what its programs have open. Aborted: the epoch ends.
  virtual absl::Status AwaitOpens(bool degraded) = 0;
  // The peers register their plugins. One that is down does so when it is back.
  virtual void TellActivated(const std::vector<uint64_t>& clones) = 0;
  virtual void TellContentChanged(uint64_t volume_id) = 0;
  // Ends what was asked in the mount of a node until now and waits there or on the way, for good:
  // nothing of it takes effect any more when this returns OK, whoever owns the pool. `engine`: of
  // the epoch. NotFound, FailedPrecondition: it cannot be done for that node. FailedPrecondition,
  // too: some of it is still being done; nothing else begins. Aborted: the owner changes; ask
  // again.
  virtual absl::Status EvictNode(Engine& engine, const std::string& node) = 0;
  // For a drill: PeerNetwork::Isolate.
  virtual void Isolate(absl::Duration time) = 0;
};

// What exists only while this controller owns the pool.
class EpochServices {
 public:
  virtual ~EpochServices() = default;

  // This controller serves the epoch from now on: called before any request is let through. `epoch`
  // and `peers` stay until End has returned. By the coordinator's thread: never waits.
  virtual void Begin(OwnedEpoch& epoch, OwnerPeers& peers) = 0;
  // The engine is sealed. Returns when nobody uses the epoch any more. Not only after a Begin.
  virtual void End() = 0;
  // The engine is to end an eviction. Aborted: this controller owns nothing. Thread-safe.
  virtual absl::Status Readmit(const std::string& node, uint64_t eviction) = 0;
};

// Carries out requests of `baton`.
class CommandTarget {
 public:
  virtual ~CommandTarget() = default;
  // One that `peer` (or this node) has passed on to the owner, and its answer. Aborted: this
  // controller owns nothing, and nothing was done. Thread-safe.
  virtual absl::StatusOr<std::string> HandleAsOwner(const std::string& peer,
                                                    const std::string& request) = 0;
};

// What a mount has to know of volumes that change without it. Thread-safe.
class MountEvents {
 public:
  virtual ~MountEvents() = default;
  // The content of a volume was changed by a command.
  virtual void ContentChanged(uint64_t volume_id) = 0;
  // A lock of the volume that a program of this node was refused may be free. Returns at once.
  virtual void LockFreed(uint64_t volume_id) = 0;
};

}  // namespace baton::ha
