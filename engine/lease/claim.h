// How a controller becomes the owner: the same at a start and at a takeover.
//
//   1. The owner so far is gone: AwaitOwnerGone at a start, the coordinator at a takeover.
//   2. Claim the epoch after the one that the proof is about, exclusively. If somebody else has
//      it, the proof is worth nothing any more.
//   3. The lease of the new epoch is renewed from here on, and its kill timer armed.
//   4. Remove older epochs, seal the old metadata, copy it (epoch_directory.h).
//   5. OpenClaimedStore: open the store in the new directory with the lease as its fence, compare
//      what it holds with what was known to be durable, and only then let it count.
//   6. FillReserve, before anybody writes to a volume.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "engine/base/proof.h"
#include "engine/base/runtime.h"
#include "engine/base/storage.h"
#include "engine/lease/kill_timer.h"
#include "engine/lease/lease.h"
#include "engine/lease/lease_times.h"
#include "engine/meta/meta_store.h"
#include "engine/meta/node_identity.h"

namespace baton {

// The owner of `epoch` cannot write any more, nor can that of any earlier epoch.
struct OwnerGone {
  uint64_t epoch = 0;          // 0: there was none, ever
  uint64_t meta_sequence = 0;  // of its lease record: known to be durable
  Proof proof = Proof::kNoneNeeded;
};

struct StartOptions {
  Storage& storage;
  Runtime& runtime;
  NodeIdentity identity;
  // The caller holds the NodeLock of its name, so that an earlier process of it is dead.
  bool holds_node_lock = false;
  LeaseTimes times;
  // True: nobody wants to wait any more. Asked at each look.
  std::function<bool()> give_up = [] { return false; };
};

// At a start: looks at the lease and waits for the proof, up to the time that the owner's record
// asks for (JudgeBy, TakeoverWait) and a little. Cancelled: `give_up` said so.
// FailedPrecondition: the owner is alive (the message names it). DataLoss: the newest record is
// garbled, or is missing although there is metadata.
absl::StatusOr<OwnerGone> AwaitOwnerGone(const StartOptions& options);

struct ClaimOptions {
  Storage& storage;
  Runtime& runtime;
  NodeIdentity identity;
  LeaseTimes times;                                // these two are recorded: see OwnerTimes
  absl::Duration watchdog = absl::ZeroDuration();  // there is none
  std::unique_ptr<KillTimer> kill_timer;
  PauseMeter* pauses = nullptr;                      // see Lease
  std::function<void(const absl::Status&)> on_lost;  // see Lease
  std::function<void()> on_renewed = {};
};

struct ClaimedEpoch {
  uint64_t epoch = 0;
  std::unique_ptr<Lease> lease;
  bool create = false;  // there was no metadata ever: OpenClaimedStore makes an empty store
  // Up to which metadata was known to be durable. A caller that knows more (intent slots) raises
  // it before OpenClaimedStore.
  uint64_t known_sequence = 0;
};

// Steps 2 to 4. FailedPrecondition: another controller has claimed the epoch. After any error the
// claim, if it was made, is given back; the next attempt needs a new proof.
absl::StatusOr<ClaimedEpoch> ClaimNextEpoch(ClaimOptions options, const OwnerGone& gone);

// Step 5. `pool_directory`: the absolute path of `storage`. The store borrows the lease. DataLoss:
// the metadata is damaged, or ends before what was known to be durable; another claim starts from
// the same metadata again.
absl::StatusOr<std::unique_ptr<MetaStore>> OpenClaimedStore(Storage& storage,
                                                            const std::string& pool_directory,
                                                            const ClaimedEpoch& claimed);

}  // namespace baton
