// What a standby knows of a pool that another node owns.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/model.pb.h"
#include "engine/base/runtime.h"
#include "engine/base/storage.h"
#include "engine/pool_view.h"

namespace baton {

// How far a view may be trusted.
struct ViewLag {
  uint64_t epoch = 0;           // whose metadata is shown; 0: none yet
  uint64_t sequence = 0;        // of the newest metadata write that is shown
  uint64_t owner_sequence = 0;  // the greatest that was reported, see NoteOwner
  uint64_t sequences = 0;       // owner_sequence - sequence; 0 when the view is not behind it
  absl::Duration age;           // since the last poll that succeeded
  absl::Status last_poll;       // of the last poll
  uint64_t reopened = 0;        // how often the metadata was opened again
};

// A clone plugin in waiting: what the next owner will need is in memory and follows the owner.
struct WarmStatus {
  uint64_t id = 0;
  bool registered = false;      // its bitmap is in memory
  uint64_t extents_copied = 0;  // as seen
  uint64_t extents_total = 0;
  uint64_t sequence = 0;  // up to which its bitmap was followed
};

// A read-only view of the newest metadata of the pool, whoever is writing it; for `status`,
// `residual` and the warm plugins of a standby. It may lag and, after a flush of the owner, stay
// behind for a while without an error; what it shows was true once. It is never what is promoted:
// the next owner opens metadata of its own (engine/lease/claim.h).
//
// Nothing is written to the pool. Polling costs one listing of meta/ and one look for event; what
// is read beyond that is bounded, and nothing is when the owner has written nothing. Thread-safe.
// Lag, NoteOwner, DropClone and the lists of clones and warm clones never wait for the storage, nor
// does what PoolView says so of; the others may.
//
// What it shows, beyond what PoolView says:
//  - When a volume changed last is known where its epoch was sealed and none has come since.
//  - Who has a volume open or locked is not known, and left empty.
//  - What the owner is copying at the moment cannot be known from storage and counts as pending. In
//    ListClones, what is landing does too.
//  - ShowClone and CloneResidual are as of the last poll, and read to the end: extents that only an
//    intent slot stands for are landing. DataLoss: a slot is garbled.
class StandbyView : public PoolView {
 public:
  struct Options {
    Storage& storage;
    std::string pool_directory;  // the absolute path of `storage`
    Runtime& runtime;
  };

  // Makes the first poll: what is active in the pool is registered warm. A pool without metadata
  // is an empty view.
  static absl::StatusOr<std::unique_ptr<StandbyView>> Open(Options options);
  ~StandbyView() override = default;

  // Catches up with the owner; every 100 ms or slower. Opens the metadata again when another epoch
  // has come, when its directory was sealed, when catching up fails, and when it stays behind what
  // NoteOwner reported. After an error everything shows what it showed before.
  virtual absl::Status Poll() = 0;
  // What the owner says (heartbeat, lease record) is the sequence of its newest durable metadata
  // write in `epoch`.
  virtual void NoteOwner(uint64_t epoch, uint64_t sequence) = 0;
  virtual uint64_t epoch() const = 0;
  virtual uint64_t sequence() const = 0;
  virtual ViewLag Lag() const = 0;

  // ---- the standby's part in the commands ----
  // `clone create` is prepared: both volumes are there with `size_bytes`, and can be opened for
  // direct I/O and read by this node; its storage answers. `size_bytes` 0: any equal size.
  //   InvalidArgument     bad names, or the sizes differ
  //   NotFound            no such volume
  //   FailedPrecondition  a volume's file has not the size that it must have
  //   other               what the storage said
  virtual absl::Status CheckPrepare(const std::string& source, const std::string& target,
                                    uint64_t size_bytes) = 0;
  // The owner has activated the clone: keeps it warm from now on. Looks for it, in metadata opened
  // anew if need be. NotFound: the metadata does not show it (yet); FailedPrecondition: it is not
  // active. Idempotent. Clones that a poll finds active are registered without being asked.
  virtual absl::Status RegisterClone(uint64_t id) = 0;
  // The owner has taken its plugin off: not registered, until RegisterClone or its next activation.
  // What has ended is dropped by Poll without being asked.
  virtual void DropClone(uint64_t id) = 0;
  // Of every clone that is active, by id.
  virtual std::vector<WarmStatus> ListWarm() const = 0;
};

}  // namespace baton
