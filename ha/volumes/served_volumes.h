// The owner's side of the mounts of its peers: what they have open here, and their requests.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/container/flat_hash_map.h>
#include <absl/synchronization/mutex.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/model.pb.h"
#include "engine/base/volume_directory.h"
#include "ha/io/forward.h"
#include "ha/io/peer_api.pb.h"
#include "ha/volumes/peer_opens.h"
#include "ha/volumes/volume_server.h"

namespace baton::ha {

// Thread-safe. A request allocates nothing once its volume is open.
class ServedVolumes final : public ForwardTarget {
 public:
  // Both outlive this.
  ServedVolumes(VolumeDirectory& local, LockServer& locks) : local_(local), locks_(locks) {}

  // This controller owns `epoch`, and serves requests for it, but not those of `evicted` nodes.
  void Begin(uint64_t epoch, const std::vector<EvictionRecord>& evicted = {});
  // Everything is Aborted from now on and nothing is open any more. Calls that are under way end
  // with the engine's.
  void End();

  // Between Begin and End.
  bool serves() const;

  // A call about volumes, of a peer; Aborted while this controller owns nothing.
  absl::StatusOr<peer_api::Answer> Answer(const std::string& peer, const peer_api::Call& call);
  // Whether the peer has told this epoch's owner all that is open in its mount. From then on no
  // open goes unnoticed: each is told before the peer's program has its answer.
  bool HasTold(const std::string& peer) const;
  // What the peer had open is closed: an operator says that it is gone.
  void Forget(const std::string& peer);

  // From now on no request of the peer begins, and it opens nothing: EvictedError. What it had open
  // is closed; a request that has begun goes on. Aborted: this controller owns nothing.
  absl::Status Evict(const EvictionRecord& eviction);
  // That eviction is over, if it is the one in force.
  void Readmit(const std::string& peer, uint64_t eviction);
  uint64_t EvictionOfPeer(const std::string& peer) const;  // 0: it is not evicted
  std::vector<std::string> Evicted() const;                // by name

  absl::Status Read(const std::string& peer, const ForwardScope& scope, uint64_t offset,
                    MutableBytes out) override;
  absl::Status Write(const std::string& peer, const ForwardScope& scope, uint64_t offset,
                     Bytes data) override;
  absl::Status Flush(const std::string& peer, const ForwardScope& scope) override;
  absl::Status Discard(const std::string& peer, const ForwardScope& scope, uint64_t offset,
                       uint64_t length_bytes) override;

 private:
  using Io = std::shared_ptr<VolumeIo>;

  // The volume as `peer` has it open, opened now if it is not. Aborted: another epoch.
  absl::StatusOr<Io> Find(const std::string& peer, const ForwardScope& scope);
  absl::StatusOr<Io> OpenUntold(const std::string& peer, const ForwardScope& scope);
  // What the peer had open, which is to be destroyed after the lock.
  PeerOpens TakeOpens(const std::string& peer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckAdmitted(const std::string& peer) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Aborted: this controller owns nothing, or another epoch, or evicted.
  absl::Status CheckStill(const std::string& peer, uint64_t epoch) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Where a call of the peer begins. Aborted: this controller owns nothing.
  absl::StatusOr<uint64_t> EpochFor(const std::string& peer) const;
  absl::StatusOr<peer_api::Answer> ListVolumes(const peer_api::ListVolumes& question) const;
  absl::StatusOr<peer_api::Answer> ListAll() const;
  absl::StatusOr<peer_api::Answer> FindVolume(const peer_api::Volume& wanted) const;
  absl::StatusOr<peer_api::Answer> OpenFor(const std::string& peer,
                                           const peer_api::OpenChange& change);
  absl::StatusOr<peer_api::Answer> CloseFor(const std::string& peer,
                                            const peer_api::OpenChange& change);
  absl::StatusOr<peer_api::Answer> TakeOpenSet(const std::string& peer,
                                               const peer_api::OpenSet& set);
  // Leaves out what does not exist.
  absl::StatusOr<PeerOpens::Handles> OpenAll(const std::string& peer, const peer_api::OpenSet& set);
  absl::StatusOr<peer_api::Answer> SetLocks(const std::string& peer, const peer_api::LockSet& set);
  absl::StatusOr<peer_api::Answer> SetAllLocks(const std::string& peer,
                                               const peer_api::AllLocks& all);
  absl::StatusOr<peer_api::Answer> FindLock(const std::string& peer,
                                            const peer_api::LockQuestion& question) const;
  absl::Status CheckEpoch(const std::string& peer, uint64_t epoch) const;
  absl::StatusOr<peer_api::Answer> NextData(const peer_api::Place& place) const;
  absl::StatusOr<peer_api::Answer> GetCapacity() const;

  VolumeDirectory& local_;
  LockServer& locks_;
  mutable absl::Mutex mutex_;
  uint64_t epoch_ ABSL_GUARDED_BY(mutex_) = 0;  // 0: none
  absl::flat_hash_map<std::string, PeerOpens> open_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, uint64_t> evicted_ ABSL_GUARDED_BY(mutex_);  // peer -> its eviction
};

}  // namespace baton::ha
