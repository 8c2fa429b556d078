#include "ha/node/ha_node.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "engine/base/status.h"
#include "ha/io/peer_api_codec.h"

namespace baton::ha {
namespace {

constexpr size_t kMaxNotes = 200;
constexpr absl::Duration kStopLimit = absl::Seconds(15);
// An epoch that began less than this ago: its owner before may have met the same error.
constexpr absl::Duration kYoung = absl::Seconds(2);
constexpr absl::Duration kHeardLately = absl::Milliseconds(500);
// How long a command waits for an owner where there is none.
constexpr absl::Duration kOwnerPatience = absl::Seconds(10);
// Who asks is told what there is to tell so long before it gives up.
constexpr absl::Duration kAnswerMargin = absl::Seconds(1);
// An owner that had no answer because it is about to change is asked again after this long.
constexpr absl::Duration kOwnerAgain = absl::Milliseconds(20);
// How long storage may take for what a peer or a command asks of a standby.
constexpr absl::Duration kStoragePatience = absl::Seconds(3);
// How long a handover waits for its node to be heard: connections that broke are back after that.
constexpr absl::Duration kPeerPatience = absl::Seconds(3);

}  // namespace

absl::StatusOr<std::unique_ptr<HaNode>> HaNode::Make(Options options, Hooks hooks) {
  BATON_RETURN_IF_ERROR(CheckCoordinatorOptions(options.coordinator));
  return std::unique_ptr<HaNode>(new HaNode(std::move(options), std::move(hooks)));
}

absl::Status HaNode::Start() {
  BATON_RETURN_IF_ERROR(StartNetwork());
  StartThreads();
  return absl::OkStatus();
}

HaNode::HaNode(Options options, Hooks hooks)
    : options_(std::move(options)),
      own_times_(OwnerTimesOf(options_.lease_times, options_.watchdog.EffectiveTime())),
      hooks_(std::move(hooks)),
      runtime_(options_.runtime),
      served_(options_.local, options_.locks),
      evictions_(options_.runtime),
      coordinator_(
          std::make_unique<Coordinator>(options_.coordinator, options_.runtime.BootTime())) {}

absl::Status HaNode::StartNetwork() {
  BATON_ASSIGN_OR_RETURN(
      network_,
      PeerNetwork::Start(
          runtime_, options_.network,
          {.on_call = [this](const std::string& peer,
                             const std::string& request) { return OnCall(peer, request); },
           .on_heartbeat = [this](const Heartbeat& heartbeat) { OnHeartbeat(heartbeat); },
           .on_connection =
               [this](const std::string& peer, bool connected) {
                 if (connected) NoteConnected(peer);
               },
           .on_forward_connection = {},
           .forward_target = &served_}));
  for (const auto& [peer, address] : options_.network.peers) {
    remotes_[peer] =
        std::make_unique<RemoteVolumes>(runtime_, *network_, peer, options_.identity.boot_id);
  }
  return absl::OkStatus();
}

void HaNode::StartThreads() {
  watch_ = std::make_unique<StorageWatch>(
      StorageWatch::Options{.runtime = runtime_,
                            .pool = options_.pool,
                            .pool_id = options_.pool_id,
                            .node = options_.identity.node,
                            .every = options_.lease_times.poll,
                            .patience = options_.lease_times.stop},
      StorageWatch::Handlers{.on_lease = [this](const std::optional<LeaseRecord>& record,
                                                absl::Duration began) { OnLease(record, began); },
                             .on_certificate =
                                 [this](const DeathCertificate& certificate) {
                                   Post(event::Certificate{.node = certificate.node(),
                                                           .epoch = certificate.epoch()});
                                 },
                             .on_space = hooks_.measured});
  view_volumes_ = std::make_unique<ViewVolumes>(ViewVolumes::Sources{
      .view = [this] { return view(); },
      .capacity =
          [this] {
            const SpaceReading space = watch_->space();
            return Capacity{.total_bytes = space.total_bytes, .free_bytes = space.free_bytes};
          }});
  epoch_queue_ = std::make_unique<WorkQueue>(runtime_, "epoch");
  orders_ = std::make_unique<WorkQueue>(runtime_, "peer-orders");
  fences_ = std::make_unique<WorkQueue>(runtime_, "fence");
  fence_monitor_ = std::make_unique<WorkQueue>(runtime_, "fence-monitor");
  storage_calls_ = std::make_unique<WorkQueue>(runtime_, "storage-calls");
  watch_->Start();
  follower_ = runtime_.StartThread("standby-view", [this] { FollowOwner(); });
  teller_ = runtime_.StartThread("tell-opens", [this] { TellOpens(); });
  thread_ = runtime_.StartThread("pair", [this] { Run(); });
}

HaNode::~HaNode() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.SignalAll();
  }
  thread_.reset();
  teller_.reset();
  follower_.reset();
  storage_calls_.reset();
  fence_monitor_.reset();
  fences_.reset();
  orders_.reset();
  epoch_queue_.reset();
  watch_.reset();
  network_.reset();
}

absl::Status HaNode::Stop() {
  if (thread_ == nullptr) return absl::OkStatus();  // it never started
  Post(event::Shutdown{});
  absl::MutexLock lock(&mutex_);
  const absl::Duration deadline = runtime_.BootTime() + kStopLimit;
  while (!ended_ && runtime_.BootTime() < deadline) {
    runtime_.WaitUntil(changed_, mutex_, deadline);
  }
  return ended_ ? *ended_ : absl::AbortedError("the pool was not sealed in time");
}

HaStatus HaNode::Describe() const {
  const absl::Duration now = runtime_.BootTime();
  HaStatus status;
  std::shared_ptr<StandbyView> known;
  {
    absl::MutexLock lock(&mutex_);
    status = status_;
    known = view_;
    for (const auto& [alarm, text] : alarms_) {
      status.alarms.push_back(fmt::format("{}: {}", Name(alarm), text));
    }
    for (const auto& [name, volumes] : remotes_) {
      PeerStatus& peer = status.peers.emplace_back();
      peer.name = name;
      const auto seen = peers_.find(name);
      if (seen == peers_.end()) continue;
      peer.heard = now - seen->second.heard;
      peer.state = seen->second.last.state();
      peer.epoch = seen->second.last.epoch();
      peer.health = seen->second.last.health();
      peer.owner = seen->second.last.owner();
    }
  }
  const std::vector<std::string> evicted = EvictedNodes(status);
  for (PeerStatus& peer : status.peers) {
    peer.connected = network_->connected(peer.name);
    peer.evicted = std::find(evicted.begin(), evicted.end(), peer.name) != evicted.end();
  }
  status.takeover = Name(options_.coordinator.takeover);
  status.storage = watch_->Health();
  status.shortage = watch_->Shortage();
  status.counters = network_->counters();
  if (known != nullptr && !status.is_owner) {
    status.lag = known->Lag();
    status.warm = known->ListWarm();
  }
  return status;
}

void HaNode::Note(const std::string& kind, const std::string& text) {
  spdlog::info("{}: {}", kind, text);
  {
    absl::MutexLock lock(&mutex_);
    if (notes_.size() == kMaxNotes) notes_.pop_front();
    notes_.emplace_back(kind, text);
    if (!status_.is_owner) return;
  }
  epoch_queue_->Do([this] { RecordNotes(); });
}

bool HaNode::WaitForOwner(absl::Duration deadline, std::string& owner) {
  absl::MutexLock lock(&mutex_);
  while (!status_.serves && !stopping_ && runtime_.BootTime() < deadline) {
    runtime_.WaitUntil(changed_, mutex_, deadline);
  }
  owner = status_.owner;
  return status_.serves;
}

absl::StatusOr<std::string> HaNode::AskOwner(const std::string& request, absl::Duration timeout) {
  const absl::Duration begun = runtime_.BootTime();
  const absl::Duration end = begun + std::max(timeout - kAnswerMargin, timeout / 2);
  const absl::Duration deadline = std::min(end, begun + kOwnerPatience);
  std::string owner;
  while (WaitForOwner(deadline, owner)) {
    const absl::StatusOr<std::string> answer = AskWhoOwns(owner, request, end);
    // It has just given the epoch back, and nothing was done.
    if (!absl::IsAborted(answer.status()) || runtime_.BootTime() >= deadline) return answer;
    Rest(kOwnerAgain);
  }
  return absl::UnavailableError("no controller owns the pool at the moment: try again");
}

// This node may have become the owner while it waited.
absl::StatusOr<std::string> HaNode::AskWhoOwns(const std::string& owner, const std::string& request,
                                               absl::Duration end) {
  if (owner == options_.identity.node) return hooks_.control(owner, request);
  peer_api::Call call;
  call.set_control(request);
  BATON_ASSIGN_OR_RETURN(const peer_api::Answer answer,
                         Call(owner, call, std::max(end - runtime_.BootTime(), kOwnerAgain)));
  return answer.control();
}

void HaNode::Rest(absl::Duration time) {
  absl::MutexLock lock(&mutex_);
  const absl::Duration until = runtime_.BootTime() + time;
  while (!stopping_ && runtime_.BootTime() < until) runtime_.WaitUntil(changed_, mutex_, until);
}

// The thread may hang in storage for ever; whoever asks does not.
absl::Status HaNode::OnStorage(std::function<absl::Status()> work) {
  struct Job {
    std::optional<absl::Status> result;
    bool given_up = false;
  };
  const auto job = std::make_shared<Job>();
  storage_calls_->Do([this, job, work = std::move(work)] {
    {
      absl::MutexLock lock(&mutex_);
      if (job->given_up) return;
    }
    absl::Status status = work();
    absl::MutexLock lock(&mutex_);
    job->result = std::move(status);
    changed_.SignalAll();
  });
  absl::MutexLock lock(&mutex_);
  const absl::Duration deadline = runtime_.BootTime() + kStoragePatience;
  while (!job->result && !stopping_ && runtime_.BootTime() < deadline) {
    runtime_.WaitUntil(changed_, mutex_, deadline);
  }
  if (job->result) return *job->result;
  job->given_up = true;
  return absl::UnavailableError("its storage does not answer");
}

// One that is silent for a moment only is worth waiting for.
void HaNode::WaitForHealthyPeer(const std::string& node, absl::Duration deadline) {
  if (!node.empty() && !remotes_.contains(node)) return;
  absl::MutexLock lock(&mutex_);
  const auto is_healthy = [&](const auto& peer) {
    return (node.empty() || peer.first == node) && HeardLately(peer.second) &&
           peer.second.last.health().empty();
  };
  while (std::none_of(peers_.begin(), peers_.end(), is_healthy) && !stopping_ &&
         runtime_.BootTime() < deadline) {
    runtime_.WaitUntil(changed_, mutex_, deadline);
  }
}

absl::StatusOr<HaStatus> HaNode::HandOver(const std::string& to, absl::Duration timeout) {
  const HaStatus before = Describe();
  const absl::Duration deadline = runtime_.BootTime() + timeout;
  WaitForHealthyPeer(to, runtime_.BootTime() + std::min(timeout, kPeerPatience));
  {
    absl::MutexLock lock(&mutex_);
    refusal_.clear();
  }
  Post(event::Handover{to});
  absl::MutexLock lock(&mutex_);
  while (runtime_.BootTime() < deadline && !stopping_) {
    if (!refusal_.empty()) return absl::FailedPreconditionError(refusal_);
    if (status_.serves && status_.epoch > before.epoch) {
      if (!status_.is_owner) return status_;
      return absl::FailedPreconditionError(
          "no other controller claimed the pool, so this one owns it again; see `baton status`");
    }
    runtime_.WaitUntil(changed_, mutex_, deadline);
  }
  return absl::DeadlineExceededError("no other controller owns the pool yet; see `baton status`");
}

absl::StatusOr<HaStatus> HaNode::TakeOver(bool owner_is_dead, absl::Duration timeout) {
  const absl::Duration deadline = runtime_.BootTime() + timeout;
  Post(event::OperatorTakeover{owner_is_dead});
  absl::MutexLock lock(&mutex_);
  while (!status_.is_owner && !stopping_ && runtime_.BootTime() < deadline) {
    runtime_.WaitUntil(changed_, mutex_, deadline);
  }
  if (status_.is_owner) return status_;
  return absl::DeadlineExceededError(
      "this controller does not own the pool yet; see `baton status`");
}

bool HaNode::StorageFailed(const absl::Status& status) {
  const bool fails_as_a_whole = !watch_->Probe().ok();
  if (!fails_as_a_whole && MayHaveFailedBefore()) return false;
  if (!HearsFitPeer()) return fails_as_a_whole;
  hooks_.fault(Annotate(absl::AbortedError(Message(status)), "the storage of this node fails"));
  return true;
}

bool HaNode::MayHaveFailedBefore() const {
  absl::MutexLock lock(&mutex_);
  return follows_failure_ && runtime_.BootTime() - served_since_ < kYoung;
}

bool HaNode::HearsFitPeer() const {
  absl::MutexLock lock(&mutex_);
  return std::any_of(peers_.begin(), peers_.end(), [this](const auto& peer) {
    return HeardLately(peer.second) && peer.second.last.eligible();
  });
}

bool HaNode::HeardLately(const PeerSeen& peer) const {
  return runtime_.BootTime() - peer.heard < kHeardLately;
}

}  // namespace baton::ha
