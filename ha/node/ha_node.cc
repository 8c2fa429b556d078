#include "ha/node/ha_node.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "engine/base/status.h"
#include "engine/base/stop_signal.h"
#include "ha/io/peer_api_codec.h"
#include "ha/node/coordinator_loop.h"
#include "ha/node/lease_reporter.h"
#include "ha/node/operator_orders.h"
#include "ha/node/owner_client.h"
#include "ha/node/owner_times.h"
#include "ha/node/peer_commands.h"
#include "ha/node/peer_inbox.h"
#include "ha/node/pool_nodes.h"
#include "ha/node/storage_failures.h"

namespace baton::ha {
namespace {

constexpr absl::Duration kStopLimit = absl::Seconds(15);

PoolNodes NodesOf(const HaNode::Options& options) {
  PoolNodes nodes{.self = options.identity.node, .peers = {}};
  for (const auto& [peer, address] : options.network.peers) nodes.peers.push_back(peer);
  return nodes;
}

RemotePeers MakeRemotePeers(Runtime& runtime, PeerNetwork& network,
                            const std::vector<std::string>& peers, const std::string& boot_id) {
  RemotePeers remotes;
  for (const std::string& peer : peers) {
    remotes[peer] = std::make_unique<RemoteVolumes>(runtime, network, peer, boot_id);
  }
  return remotes;
}

StorageWatch::Options WatchOptionsOf(const HaNode::Options& options) {
  return {.runtime = options.runtime,
          .pool = options.pool,
          .pool_id = options.pool_id,
          .node = options.identity.node,
          .every = options.lease_times.poll,
          .patience = options.lease_times.stop};
}

EpochWork::Options EpochOptionsOf(const HaNode::Options& options, const PoolNodes& nodes,
                                  OpensReporter& opens) {
  return {.runtime = options.runtime,
          .identity = options.identity,
          .peers = nodes.peers,
          .lease_times = options.lease_times,
          .pauses = options.pauses,
          .durability = options.durability,
          .watchdog = options.watchdog,
          .on_fault = options.on_fault,
          .on_lock_freed = [&mount = options.mount, &opens](uint64_t volume_id) {
            mount.LockFreed(volume_id);
            opens.TellLockFreed(volume_id);
          }};
}

HaStatus StatusOf(Ownership ownership) {
  HaStatus status;
  static_cast<Ownership&>(status) = std::move(ownership);
  return status;
}

}  // namespace

// In the order in which they are made: each refers to those before it. Two rings are closed by
// objects that only take note (`events`, `opens`) and by the watch, which begins last.
struct HaNode::Parts {
  Parts(const Options& options, CommandTarget& commands, ServedVolumes& served,
        PeerNetwork& network);
  void Start();
  // Nobody waits in here any more, be it for a peer, a command or the mount.
  void StopWaiting();
  // Ends all threads. Those who take note do so until the end.
  void Stop();

  StorageWatch::Handlers WatchHandlers(const Options& options);
  std::unique_ptr<Conductor> MakeConductor(const Options& options, ServedVolumes& served,
                                           PeerNetwork& network);

  Runtime& runtime;
  const PoolNodes nodes;
  const OwnerTimes own_times;
  const RemotePeers remotes;

  // What is known, and by whom it is waited for.
  EventQueue events{runtime};
  PeerTable peers;
  OwnershipBoard board{runtime};
  ServedEpoch served_epoch{runtime};
  StopSignal ended{runtime};
  LatestLease lease;
  AlarmList alarms;
  SealFeedback feedback;

  OpensReporter opens;
  LeaseReporter lease_reporter;
  StorageWatch watch;
  EpochRunner epochs;
  StorageFailures failures;

  // Of a standby.
  ViewFollower follower;
  UnservedNames names;
  StorageJobs jobs;
  StandbyCommands standby;
  OwnerClient owner_client;

  // Of the owner.
  OpensGate opens_gate;
  NodeEvictions evictions;
  PeerCommands peer_commands;

  // Changes of owner.
  PeerHandovers handovers;
  OperatorOrders orders;
  Fencing fencing;
  FenceMonitor fence_monitor;
  PeerInbox inbox;
  CoordinatorLoop loop;
};

HaNode::Parts::Parts(const Options& options, CommandTarget& commands, ServedVolumes& served,
                     PeerNetwork& network)
    : runtime(options.runtime),
      nodes(NodesOf(options)),
      own_times(OwnerTimesOf(options.lease_times, options.watchdog.EffectiveTime())),
      remotes(MakeRemotePeers(runtime, network, nodes.peers, options.identity.boot_id)),
      peers(runtime, options.coordinator.suspect_after),
      opens(runtime, options.router, remotes, network, options.on_fault),
      lease_reporter(
          {.identity = options.identity,
           .times = own_times,
           .has_watchdog = !options.watchdog.device.empty(),
           .certificate_counts = options.coordinator.certificate_counts},
          {.lease = lease, .router = options.router, .epochs = epochs, .events = events}),
      watch(WatchOptionsOf(options), WatchHandlers(options)),
      epochs(EpochOptionsOf(options, nodes, opens), {.watch = watch,
                                                     .lease = lease,
                                                     .router = options.router,
                                                     .services = options.services,
                                                     .feedback = feedback,
                                                     .events = events}),
      failures(watch, served_epoch, peers, options.on_fault),
      follower(runtime, watch, lease, board),
      names(runtime, options.router, follower, watch),
      jobs(runtime),
      standby(runtime, watch, follower, jobs),
      owner_client(runtime, options.identity.node, commands, network, board),
      opens_gate(runtime, nodes,
                 {.router = options.router,
                  .local = options.local,
                  .served = served,
                  .peers = peers,
                  .epoch = served_epoch}),
      evictions(runtime, nodes,
                {.network = network,
                 .served = served,
                 .services = options.services,
                 .epoch = served_epoch,
                 .peers = peers}),
      peer_commands(nodes.peers, network, opens_gate, evictions),
      handovers(runtime, network, feedback, events),
      orders(runtime, {nodes.peers.begin(), nodes.peers.end()}, peers, board, events),
      fencing(runtime, options.fence, events),
      fence_monitor(runtime, {.ask = options.monitor_fence, .every = options.monitor_fence_every},
                    peers, events),
      inbox({.node = options.identity.node, .times = own_times}, {.commands = commands,
                                                                  .mount = options.mount,
                                                                  .served = served,
                                                                  .evictions = evictions,
                                                                  .standby = standby,
                                                                  .handovers = handovers,
                                                                  .opens = opens,
                                                                  .peers = peers,
                                                                  .events = events}),
      loop(runtime, events, MakeConductor(options, served, network)) {}

StorageWatch::Handlers HaNode::Parts::WatchHandlers(const Options& options) {
  return {.on_lease = [this](const std::optional<LeaseRecord>& record,
                             absl::Duration began) { lease_reporter.Report(record, began); },
          .on_certificate =
              [this](const DeathCertificate& certificate) { lease_reporter.Report(certificate); },
          .on_space = options.on_space};
}

std::unique_ptr<Conductor> HaNode::Parts::MakeConductor(const Options& options,
                                                        ServedVolumes& served,
                                                        PeerNetwork& network) {
  return std::make_unique<Conductor>(
      runtime,
      Conductor::Options{.coordinator = options.coordinator,
                         .heartbeat = {.period = options.heartbeat, .times = own_times},
                         .on_fault = options.on_fault},
      MountRouting::Targets{.router = options.router,
                            .local = options.local,
                            .served = served,
                            .peers = remotes,
                            .table = peers},
      network,
      Conductor::Hands{.epochs = epochs,
                       .services = options.services,
                       .owner_peers = peer_commands,
                       .served_epoch = served_epoch,
                       .handovers = handovers,
                       .fencing = fencing,
                       .fence_monitor = fence_monitor,
                       .alarms = alarms,
                       .board = board,
                       .opens = opens,
                       .names = names,
                       .peers = peers,
                       .watch = watch,
                       .ended = ended});
}

void HaNode::Parts::Start() {
  watch.Start();
  follower.Start();
  opens.Start();
  loop.Start();
}

void HaNode::Parts::StopWaiting() {
  events.Stop();
  peers.Stop();
  board.Stop();
  served_epoch.Stop();
  owner_client.Stop();
  jobs.StopWaiting();
  handovers.StopWaiting();
}

void HaNode::Parts::Stop() {
  loop.Stop();
  opens.Stop();
  follower.Stop();
  jobs.Stop();
  fence_monitor.Stop();
  fencing.Stop();
  handovers.Stop();
  epochs.Stop();
  watch.Stop();
}

absl::StatusOr<std::unique_ptr<HaNode>> HaNode::Make(Options options) {
  BATON_RETURN_IF_ERROR(CheckCoordinatorOptions(options.coordinator));
  return std::unique_ptr<HaNode>(new HaNode(std::move(options)));
}

HaNode::HaNode(Options options)
    : options_(std::move(options)), served_(options_.local, options_.locks) {}

absl::Status HaNode::Start(CommandTarget& commands) {
  BATON_RETURN_IF_ERROR(StartNetwork());
  parts_ = std::make_unique<Parts>(options_, commands, served_, *network_);
  inbox_.Set(parts_->inbox);
  inbox_was_set_.Notify();
  parts_->Start();
  return absl::OkStatus();
}

// A call that comes before there is an inbox waits for it, some moments: an offer or a change of
// content is told once. One that comes after finds a controller that owns nothing.
absl::Status HaNode::StartNetwork() {
  using Inbox = Drainable<PeerInbox>::Use;
  BATON_ASSIGN_OR_RETURN(
      network_,
      PeerNetwork::Start(options_.runtime, options_.network,
                         {.on_call =
                              [this](const std::string& peer, const std::string& request) {
                                inbox_was_set_.WaitForNotification();
                                if (const Inbox inbox(inbox_); inbox)
                                  return inbox->Answer(peer, request);
                                return RefusalOf(absl::AbortedError("this controller is ending"))
                                    .SerializeAsString();
                              },
                          .on_heartbeat =
                              [this](const Heartbeat& heartbeat) {
                                if (const Inbox inbox(inbox_); inbox) inbox->Hear(heartbeat);
                              },
                          .on_connection =
                              [this](const std::string& peer, bool connected) {
                                const Inbox inbox(inbox_);
                                if (inbox && connected) inbox->NoteConnected(peer);
                              },
                          .on_forward_connection = {},
                          .forward_target = &served_}));
  return absl::OkStatus();
}

// Nobody uses the network when it goes; it goes before the engine of an epoch that was not sealed.
HaNode::~HaNode() {
  if (parts_ != nullptr) {
    parts_->StopWaiting();
    inbox_.Drain();
    parts_->Stop();
  }
  network_.reset();
  // An epoch that was not sealed in time is still in use.
  if (parts_ != nullptr) options_.services.End();
}

absl::Status HaNode::Stop() {
  if (parts_ == nullptr) return absl::OkStatus();  // it never started
  parts_->events.Post(event::Shutdown{});
  if (!parts_->ended.Rest(kStopLimit)) return absl::OkStatus();
  return absl::AbortedError("the pool was not sealed in time");
}

void HaNode::StopWaiting() {
  if (parts_ == nullptr) return;
  parts_->StopWaiting();
  network_->EndCalls();
}

HaStatus HaNode::Describe() const {
  HaStatus status = StatusOf(parts_->board.Read());
  status.takeover = Name(options_.coordinator.takeover);
  status.alarms = parts_->alarms.Raised();
  const std::vector<std::string> evicted = parts_->evictions.Known(status);
  for (const std::string& name : parts_->nodes.peers) {
    PeerStatus& peer = status.peers.emplace_back();
    peer.name = name;
    peer.connected = network_->connected(name);
    peer.trouble = network_->Trouble(name);
    peer.evicted = std::find(evicted.begin(), evicted.end(), name) != evicted.end();
    const std::optional<PeerTable::Peer> seen = parts_->peers.Find(name);
    if (!seen) continue;
    peer.heard = seen->silence;
    peer.is_heard = parts_->peers.IsHeard(seen->silence);
    peer.state = seen->last.state();
    peer.epoch = seen->last.epoch();
    peer.health = seen->last.health();
    peer.owner = seen->last.owner();
  }
  status.storage = parts_->watch.Health();
  status.shortage = parts_->watch.Shortage();
  status.counters = network_->counters();
  const std::shared_ptr<StandbyView> known = view();
  if (known != nullptr && !status.is_owner) {
    status.lag = known->Lag();
    status.warm = known->ListWarm();
  }
  if (status.serves) status.forecasts = ForecastLosses(status);
  return status;
}

std::vector<TakeoverForecast> HaNode::ForecastLosses(const HaStatus& status) const {
  const std::optional<LeaseRecord> record = parts_->lease.Of(status.epoch);
  const OwnerTimes times = JudgeBy(record ? record->times : std::nullopt, parts_->own_times);
  return ForecastTakeovers(
      options_.coordinator,
      {.times = TimesForCoordinator(times),
       .recovery = status.recovery,
       .fence = parts_->fence_monitor.took(),
       .fence_fails = std::ranges::any_of(
           status.alarms,
           [](const action::RaiseAlarm& raised) { return raised.alarm == Alarm::kFenceUnready; }),
       .is_fit_peer = status.is_owner ? parts_->peers.HearsEligible() : status.storage.ok()});
}

void HaNode::Note(const std::string& kind, const std::string& text) {
  parts_->epochs.Note(kind, text);
}

absl::StatusOr<std::string> HaNode::AskOwner(const std::string& request, absl::Duration timeout) {
  return parts_->owner_client.Ask(request, timeout);
}

absl::Status HaNode::OnStorage(std::function<absl::Status()> work) {
  return parts_->jobs.Do(std::move(work));
}

bool HaNode::unserved() const { return parts_->names.unserved(); }

std::shared_ptr<StandbyView> HaNode::view() const { return parts_->follower.view(); }

absl::StatusOr<HaStatus> HaNode::HandOver(const std::string& to, absl::Duration timeout) {
  BATON_ASSIGN_OR_RETURN(Ownership after, parts_->orders.HandOver(to, timeout));
  return StatusOf(std::move(after));
}

absl::StatusOr<HaStatus> HaNode::TakeOver(uint64_t epoch, bool owner_is_dead,
                                          absl::Duration timeout) {
  BATON_ASSIGN_OR_RETURN(Ownership after, parts_->orders.TakeOver(epoch, owner_is_dead, timeout));
  return StatusOf(std::move(after));
}

bool HaNode::StorageFailed(const absl::Status& status) { return parts_->failures.Report(status); }

}  // namespace baton::ha
