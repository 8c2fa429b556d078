// This controller's part in the pair: who owns the pool, and what follows from that.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/sleep_lock.h"
#include "engine/standby_view.h"
#include "ha/core/coordinator.h"
#include "ha/io/peer_api.pb.h"
#include "ha/io/peer_network.h"
#include "ha/node/ha_status.h"
#include "ha/node/owned_epoch.h"
#include "ha/node/storage_watch.h"
#include "ha/node/work_queue.h"
#include "ha/volumes/remote_volumes.h"
#include "ha/volumes/router.h"
#include "ha/volumes/served_volumes.h"
#include "ha/volumes/view_volumes.h"

namespace baton::ha {

// The shell around the coordinator: tells it what happens and does what it asks for. One thread
// decides; what may take long is done by others.
//
//   storage-watch  looks at the lease; storage may hang, this thread alone waits for it
//   pair           takes events to the coordinator, beats, routes the mount's requests
//   epoch          claims, recovers, seals
//   peer-orders    asks an owner to stop, offers a handover
//   fence          runs the fence command
//   fence-monitor  asks it now and then whether it could
//   storage-calls  what of a peer's call or a command waits for storage
//   standby-view   follows the owner's metadata
//   tell-opens     tells a new owner what is open in the mount, and peers of locks that are free
//
// Thread-safe.
class HaNode {
 public:
  struct Options {
    Runtime& runtime;
    Router& router;
    VolumeServer& local;  // the mount's volumes while this controller owns the pool
    LockServer& locks;    // and who holds locks on them
    std::string pool;     // the directory
    std::string pool_id;
    Durability durability = DURABILITY_NODE;
    NodeIdentity identity;
    LeaseTimes lease_times;
    CoordinatorOptions coordinator;
    PeerNetwork::Options network;
    absl::Duration heartbeat;  // the period
    Watchdog::Options watchdog = {};
    // Turns a node off; OK: it is confirmed to be off.
    std::function<absl::Status(const std::string& node)> fence;
    // Asks the same program whether it could, and how often that is done for each peer that is
    // heard; InfiniteDuration: never.
    std::function<absl::Status(const std::string& node)> monitor_fence = {};
    absl::Duration monitor_fence_every = absl::InfiniteDuration();
  };

  struct Hooks {
    // This controller serves the owned epoch from now on: called before any request is let
    // through. By the pair's thread.
    std::function<void(OwnedEpoch&)> begin;
    // The engine is sealed: returns when nobody uses it any more.
    std::function<void()> end;
    // A request of `baton` that a peer has passed on to the owner, and its answer. Aborted: this
    // controller owns nothing, and nothing was done.
    std::function<absl::StatusOr<std::string>(const std::string& peer, const std::string& request)>
        control;
    // This node's engine is to end an eviction. Aborted: this controller owns nothing.
    std::function<absl::Status(const std::string& node, uint64_t eviction)> readmit;
    // The owner has changed the content of a volume by a command.
    std::function<void(uint64_t volume_id)> content_changed;
    // A lock of the volume that a program of this node was refused may be free.
    std::function<void(uint64_t volume_id)> lock_freed;
    // How much space the storage has, every second.
    std::function<void(const SpaceReading& space)> measured;
    // This process must end without waiting for anything; where this node was evicted (EvictionOf)
    // its mount, too.
    std::function<void(const absl::Status& why)> fault;
  };

  // InvalidArgument: the coordinator's times contradict each other.
  static absl::StatusOr<std::unique_ptr<HaNode>> Make(Options options, Hooks hooks);
  // Returns when the network listens; everything else follows. Errors: PeerNetwork::Start.
  absl::Status Start();
  ~HaNode();
  HaNode(const HaNode&) = delete;
  HaNode& operator=(const HaNode&) = delete;

  // The orderly end: an owner seals and gives the epoch back. What waits for an owner goes on
  // waiting. Aborted: sealing failed, or took too long.
  absl::Status Stop();

  HaStatus Describe() const;

  // Something for the events of the pool; kept until this node is owner.
  void Note(const std::string& kind, const std::string& text);

  // Asks the owner, for a `baton` of this node; that may be this node by then. Waits a while for an
  // owner where there is none; ends before `timeout`, after which nobody waits for the answer.
  // Unavailable: nobody owns the pool, or the owner did not answer.
  absl::StatusOr<std::string> AskOwner(const std::string& request, absl::Duration timeout);
  // Has `work`, which waits for storage, carried out by a thread that there is for that.
  // Unavailable: it takes too long; it may go on then, or begin, and must own what it uses.
  absl::Status OnStorage(std::function<absl::Status()> work);
  // Nobody has served the pool for longer than a moment, as far as this node hears: what is known
  // here is as good as it gets.
  bool unserved() const { return unserved_; }
  // What this node knows of a pool that another one owns; null: nothing yet.
  std::shared_ptr<StandbyView> view() const;

  // A planned change of owner, asked of the owner: returns when `to` (empty: whoever is fit) owns
  // the pool. A node that is not heard gets a few seconds. Refusals are FailedPrecondition;
  // DeadlineExceeded: not in time.
  absl::StatusOr<HaStatus> HandOver(const std::string& to, absl::Duration timeout);
  // Asked of a standby in an emergency: this node is to take over by an operator's word.
  absl::StatusOr<HaStatus> TakeOver(bool owner_is_dead, absl::Duration timeout);

  // ---- the owner's commands reach every controller ----
  // Every peer checks the volumes of a clone that is about to be created. Unavailable: a peer is
  // down (it is named), which is no error if `degraded`.
  absl::Status Prepare(const std::string& source, const std::string& target, uint64_t size_bytes,
                       bool degraded);
  // Waits until this epoch's owner, this controller, knows what is open in the mount of every node;
  // a command may discard the content of a volume only after that. With `degraded` a node that has
  // not been heard for a while counts as having nothing open. FailedPrecondition: a node (it is
  // named) has not told what its programs have open.
  absl::Status AwaitOpens(bool degraded);
  // The peers register their plugins. One that is down does so when it is back.
  void TellActivated(const std::vector<uint64_t>& clones);
  void TellContentChanged(uint64_t volume_id);
  // Returns at once.
  void TellLockFreed(uint64_t volume_id);

  // Ends what was asked in the mount of a node until now and waits there or on the way, for good:
  // nothing of it takes effect any more when this returns OK, whoever owns the pool. `engine`: of
  // this controller, which owns the pool. NotFound, FailedPrecondition: it cannot be done for that
  // node. FailedPrecondition, too: some of it is still being done; nothing else begins. Aborted:
  // the owner changes; ask again.
  absl::Status EvictNode(Engine& engine, const std::string& node);

  // The storage has failed under a request of a host. True: the request is to wait for another
  // owner, or for this storage. That is so while this node's storage takes no writes at all: it
  // loses the pool then, to a peer as soon as one can claim it. Where it is only this request that
  // fails, a peer that is fit takes over. False: nobody else would fare better as far as is known:
  // there is no such peer, or this epoch has just begun after a failure, so that the owner before
  // may have met the same error.
  bool StorageFailed(const absl::Status& status);

 private:
  HaNode(Options options, Hooks hooks);
  absl::Status StartNetwork();
  void StartThreads();

  // ---- ha_node_loop.cc: the pair's thread ----
  void Run();
  void Post(Event event);
  std::vector<Event> TakeEvents(absl::Duration until);
  void StepOn(const Event& event);
  void CheckStorage();
  void Beat();
  void Route();
  void Publish();
  void MonitorFence();
  void AskFenceAgent(const std::string& node);
  void Do(const action::AskOwnerToStop& action);
  void Do(const action::RunFence& action);
  void Do(const action::Claim& action);
  void Do(const action::Recover& action);
  void Do(const action::Serve& action);
  void Do(const action::Seal& action);
  void Do(const action::OfferHandover& action);
  void Do(const action::AnswerStop& action);
  void Do(const action::RefuseHandover& action);
  void Do(const action::BecomeStandby& action);
  void Do(const action::PublishCertificate& action);
  void Do(const action::RaiseAlarm& action);
  void Do(const action::ClearAlarm& action);
  void Do(const action::RecordNote& action);
  void Do(const action::EndProcess& action);

  // ---- ha_node_epoch.cc: the epoch's thread ----
  void Claim(const action::Claim& action);
  void StopOldWatchdog();
  void Recover();
  absl::Status CheckFeedback(Engine& engine);
  absl::Status DropLocksOfGone();
  void Seal();
  absl::Status SealOwnedEpoch();
  void RecordClaim();
  void RecordNotes();
  void WriteCertificate(const LeaseRecord& record);

  // ---- ha_node_calls.cc ----
  void LookAfterOldWatchdog(bool predecessor_owns);
  void OnLease(const std::optional<LeaseRecord>& record, absl::Duration began);
  void OnHeartbeat(const Heartbeat& heartbeat);
  std::string OnCall(const std::string& peer, const std::string& request);
  absl::StatusOr<peer_api::Answer> Answer(const std::string& peer, const peer_api::Call& call);
  absl::StatusOr<peer_api::Answer> AnswerControl(const std::string& peer,
                                                 const std::string& request);
  absl::StatusOr<peer_api::Answer> AnswerPrepare(const peer_api::Prepare& prepare);
  absl::Status CheckPrepare(StandbyView& known, const peer_api::Prepare& prepare);
  absl::StatusOr<peer_api::Answer> AnswerActivated(const peer_api::Clones& clones);
  absl::StatusOr<peer_api::Answer> AnswerStop(const std::string& peer, uint64_t epoch);
  absl::StatusOr<peer_api::Answer> AnswerOffer(const std::string& peer,
                                               const peer_api::Offer& offer);
  absl::StatusOr<peer_api::Answer> Call(const std::string& peer, const peer_api::Call& call,
                                        absl::Duration timeout);
  void AskToStop(const std::string& owner, uint64_t epoch);
  void Offer(const std::string& to, uint64_t epoch);
  void KeepFeedback(const peer_api::Feedback& feedback);

  // ---- ha_node_view.cc: the standby's view ----
  bool HearsWhoServes() const;
  void UseViewIfUnserved();
  void FollowOwner();
  void FollowOnce();
  absl::Status PollView(PosixStorage& storage);

  // ---- ha_node_evictions.cc ----
  absl::Status CheckEvictable(const std::string& node) const;
  absl::Status AwaitEndOfForwarded(const std::string& node);
  absl::StatusOr<peer_api::Answer> AnswerOpenSet(const std::string& peer,
                                                 const peer_api::Call& call);
  absl::Status Readmit(const std::string& peer, uint64_t eviction);
  void NoteEvictions(const Heartbeat& heartbeat);
  std::vector<std::string> EvictedNodes(const HaStatus& status) const;
  bool EndIfEvicted();

  struct PeerSeen {
    Heartbeat last;
    absl::Duration heard;
  };

  bool MayHaveFailedBefore() const;
  bool HearsFitPeer() const;
  bool HeardLately(const PeerSeen& peer) const;
  void NoteConnected(const std::string& peer);
  void TellOpens();
  void TellFreedLocks(const std::set<uint64_t>& volumes);
  bool IsSilent(const std::string& peer) const;
  bool IsOff(const std::string& peer) const;
  std::string NodeOfUnknownOpens(bool degraded) const;
  void ForgetSilent();
  bool WaitForOwner(absl::Duration deadline, std::string& owner);
  absl::StatusOr<std::string> AskWhoOwns(const std::string& owner, const std::string& request,
                                         absl::Duration end);
  void Rest(absl::Duration time);
  void WaitForHealthyPeer(const std::string& node, absl::Duration deadline);

  const Options options_;
  const OwnerTimes own_times_;  // by these options
  const Hooks hooks_;
  Runtime& runtime_;
  ServedVolumes served_;
  SleepLock evictions_;  // one is begun or ended: its record, and then served_
  std::unique_ptr<PeerNetwork> network_;
  std::map<std::string, std::unique_ptr<RemoteVolumes>> remotes_;  // by peer; never changed
  std::unique_ptr<ViewVolumes> view_volumes_;
  std::atomic<bool> unserved_ = false;

  // Of the pair's thread.
  std::unique_ptr<Coordinator> coordinator_;
  absl::Duration next_beat_;
  absl::Status told_storage_ = absl::UnavailableError("");
  bool told_storage_once_ = false;
  std::map<std::string, absl::Duration> next_monitor_;  // by peer
  const RemoteVolumes* routed_to_ = nullptr;
  uint64_t routed_epoch_ = 0;
  bool routed_here_ = false;
  std::optional<absl::Duration> silent_since_;  // nobody serves, or who serves is not heard

  bool old_watchdog_is_known_ = false;  // of the storage-watch thread

  // Of the epoch's thread, while the coordinator says that there is one; read by the pair's thread
  // between RecoveryEnded and Seal.
  std::unique_ptr<OwnedEpoch> owned_epoch_;

  mutable absl::Mutex mutex_;
  mutable absl::CondVar changed_;  // the status, an answer, the queue
  std::deque<Event> events_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool monitoring_ ABSL_GUARDED_BY(mutex_) = false;  // the fence agent is being asked
  HaStatus status_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, PeerSeen> peers_ ABSL_GUARDED_BY(mutex_);
  std::optional<LeaseRecord> lease_ ABSL_GUARDED_BY(mutex_);
  std::map<Alarm, std::string> alarms_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::pair<std::string, std::string>> notes_ ABSL_GUARDED_BY(mutex_);
  std::string refusal_ ABSL_GUARDED_BY(mutex_);  // of a handover that was asked for
  std::map<std::string, bool> stop_answers_ ABSL_GUARDED_BY(mutex_);  // by who asked
  peer_api::Feedback sent_feedback_ ABSL_GUARDED_BY(mutex_);          // by our last seal
  peer_api::Feedback received_feedback_
      ABSL_GUARDED_BY(mutex_);  // by the owner before, as it told us
  uint64_t certificate_ ABSL_GUARDED_BY(mutex_) = 0;
  std::set<std::string> connected_anew_ ABSL_GUARDED_BY(mutex_);
  std::set<uint64_t> freed_locks_
      ABSL_GUARDED_BY(mutex_);                    // volumes, of which peers are to be told
  bool sealing_ ABSL_GUARDED_BY(mutex_) = false;  // commands that wait end
  std::string gone_ ABSL_GUARDED_BY(mutex_);      // the owner before, where it was proven to be off
  absl::Duration served_since_ ABSL_GUARDED_BY(mutex_);
  bool follows_failure_ ABSL_GUARDED_BY(mutex_) = false;  // the owner before did not end in order
  std::optional<absl::Status> ended_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<StandbyView> view_ ABSL_GUARDED_BY(mutex_);

  // Last made, first to go.
  std::unique_ptr<StorageWatch> watch_;
  std::unique_ptr<WorkQueue> epoch_queue_;
  std::unique_ptr<WorkQueue> orders_;
  std::unique_ptr<WorkQueue> fences_;
  std::unique_ptr<WorkQueue> fence_monitor_;
  std::unique_ptr<WorkQueue> storage_calls_;
  std::unique_ptr<Thread> follower_;
  std::unique_ptr<Thread> teller_;
  std::unique_ptr<Thread> thread_;
};

}  // namespace baton::ha
