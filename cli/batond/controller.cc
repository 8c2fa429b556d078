#include "cli/batond/controller.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "cli/batond/ha_setup.h"
#include "cli/control/names_of.h"
#include "cli/service/ha_status_reply.h"
#include "engine/base/status.h"
#include "engine/meta/pool_file.h"
#include "ha/io/eviction_status.h"
#include "ha/node/own_eviction.h"

namespace baton {
absl::StatusOr<std::unique_ptr<Controller>> Controller::Start(const DaemonOptions& options,
                                                              keeper::KeeperClient& keeper_client,
                                                              ShutdownMonitor& end) {
  std::unique_ptr<Controller> controller(new Controller(options, keeper_client, end));
  BATON_RETURN_IF_ERROR(controller->OpenPool());
  BATON_RETURN_IF_ERROR(controller->PrepareSession());
  BATON_RETURN_IF_ERROR(controller->AwaitTurn());
  const absl::Status served =
      options.pair.alone() ? controller->ServeAlone() : controller->ServeInPair();
  if (served.ok()) return controller;
  controller->GiveUpStart();
  return served;
}

// No beat may look at what goes.
Controller::~Controller() { keeper_.SetLivenessCheck({}); }

// One that has peers learns from its keeper what it must know: it serves its mount also while its
// own way to the storage is broken.
absl::Status Controller::OpenPool() {
  if (!options_.pair.alone()) {
    // Of an upgrade: before the one that serves gives way.
    BATON_RETURN_IF_ERROR(CheckKeyFiles(options_.pair));
    if (pool_.ParseFromString(keeper_.begin().facts().pool())) return absl::OkStatus();
    return absl::InternalError("the keeper tells nothing of the pool");
  }
  BATON_ASSIGN_OR_RETURN(storage_, PosixStorage::Open(options_.pool));
  const absl::StatusOr<PoolRecord> pool = ReadPool(*storage_);
  if (!pool.ok()) return Annotate(pool.status(), "pool " + options_.pool);
  pool_ = *pool;
  return absl::OkStatus();
}

// All memory for requests, and the agreement with the kernel: nothing of it touches the mount.
absl::Status Controller::PrepareSession() {
  mount_ = keeper_.AdoptMount();
  listener_ = keeper_.AdoptListener();
  fs::SessionOptions session;
  session.fd = mount_->fd();
  session.init_request = mount_->init_request();
  session.init_answer = keeper_.begin().facts().init_answer();
  session.open_table = keeper_.open_table();
  session.adopt = !session.init_answer.empty();
  session.open_later = !options_.pair.alone();
  session.ownership = options_.ownership;
  node_service_ = std::make_unique<control::NodeService>(
      control::NodeService::Options{.owner = drainable_service_,
                                    .pair = [this] { return ha_node_.get(); },
                                    .node = options_.node,
                                    .mount = mount_->path(),
                                    .describe = [this] { return Describe(); },
                                    .upgrade = [this] { return Upgrade(); },
                                    .audit = audit_});
  session.on_disconnect = [this] { end_.Note(ProcessEvent::kUnmounted); };
  // What its programs do from there on they do without the locks that they count on.
  session.on_locks_lost = [this](const std::string& text) {
    end_.NoteFault(ha::MountEnds(Error(absl::StatusCode::kFailedPrecondition, "{}", text)));
  };
  session.on_first_answer = [this] {
    first_answer_boot_ns_ = absl::ToInt64Nanoseconds(runtime_.BootTime());
    end_.Note(ProcessEvent::kFirstAnswer);
  };
  BATON_ASSIGN_OR_RETURN(auto made, fs::Session::Make(router_, runtime_, std::move(session)));
  absl::MutexLock lock(&session_mutex_);
  session_ = std::move(made);
  return absl::OkStatus();
}

// From here on no other controller of this mount is alive.
absl::Status Controller::AwaitTurn() {
  before_ = keeper_.begin().predecessor();
  restarts_ = keeper_.begin().facts().restarts();
  if (keeper_.begin().warm()) {
    BATON_ASSIGN_OR_RETURN(const keeper::Go go, keeper_.AwaitGo(BATON_VERSION));
    before_ = go.predecessor();
    restarts_ = go.restarts();
  }
  BATON_ASSIGN_OR_RETURN(identity_, MakeNodeIdentity(options_.node));
  if (!options_.pair.alone()) return absl::OkStatus();
  BATON_ASSIGN_OR_RETURN(NodeLock lock, NodeLock::Take(storage_->directory(), options_.node));
  node_lock_ = std::make_unique<NodeLock>(std::move(lock));
  return absl::OkStatus();
}

absl::Status Controller::ServeAlone() {
  BATON_RETURN_IF_ERROR(ClaimEpoch());
  BATON_RETURN_IF_ERROR(owned_epoch_->Open());
  // Of a mount that was served before nobody has read yet what is open.
  const bool may_have_files = !keeper_.begin().facts().init_answer().empty();
  BATON_RETURN_IF_ERROR(
      ha::SettleOwnEviction(owned_epoch_->engine(), options_.node, may_have_files));
  BATON_RETURN_IF_ERROR(owned_epoch_->engine().DropLocksOfOthers({options_.node}));
  Begin(*owned_epoch_);
  router_.Route(&volumes_);
  BATON_RETURN_IF_ERROR(session()->Serve());
  serving_boot_ns_ = absl::ToInt64Nanoseconds(runtime_.BootTime());
  owned_epoch_->engine().StartCopiers();
  BATON_RETURN_IF_ERROR(owned_epoch_->RecordClaim());
  space_meter_ = std::make_unique<SpaceMeter>(*storage_, runtime_, space_);
  return StartCommands();
}

absl::Status Controller::ClaimEpoch() {
  BATON_ASSIGN_OR_RETURN(const OwnerGone gone,
                         AwaitOwnerGone({.storage = *storage_,
                                         .runtime = runtime_,
                                         .identity = identity_,
                                         .holds_node_lock = true,
                                         .times = options_.lease,
                                         .give_up = [this] { return end_.IsAsked(); }}));
  BATON_ASSIGN_OR_RETURN(
      owned_epoch_, ha::OwnedEpoch::Claim(
                        {.storage = *storage_,
                         .runtime = runtime_,
                         .identity = identity_,
                         .lease_times = options_.lease,
                         .durability = pool_.durability(),
                         .on_fault = [this](const absl::Status& fault) { end_.NoteFault(fault); },
                         .on_lock_freed = [this](uint64_t volume_id) { RetryLocks(volume_id); }},
                        gone));
  return absl::OkStatus();
}

absl::Status Controller::ServeInPair() {
  BATON_ASSIGN_OR_RETURN(
      ha::HaNode::Options options,
      HaNodeOptionsOf(options_,
                      {.runtime = runtime_,
                       .router = router_,
                       .local = volumes_,
                       .locks = volumes_,
                       .pool = pool_,
                       .identity = identity_,
                       .certificate_counts = keeper_.begin().facts().writes_end_with_process()}));
  BATON_RETURN_IF_ERROR(session()->Serve());
  serving_boot_ns_ = absl::ToInt64Nanoseconds(runtime_.BootTime());
  BATON_ASSIGN_OR_RETURN(
      ha_node_,
      ha::HaNode::Make(std::move(options),
                       {.begin = [this](ha::OwnedEpoch& owned) { Begin(owned); },
                        .end = [this] { End(); },
                        .control =
                            [this](const std::string& peer, const std::string& request) {
                              return node_service_->HandleAsOwner(peer, request);
                            },
                        .readmit = [this](const std::string& node,
                                          uint64_t eviction) { return Readmit(node, eviction); },
                        .content_changed = [this](uint64_t volume_id) { DropPages(volume_id); },
                        .lock_freed = [this](uint64_t volume_id) { RetryLocks(volume_id); },
                        .measured = [this](const SpaceReading& space) { space_.Note(space); },
                        .fault = [this](const absl::Status& fault) { end_.NoteFault(fault); }}));
  BATON_RETURN_IF_ERROR(ha_node_->Start());
  return StartCommands();
}

absl::Status Controller::StartCommands() {
  // The locks that a status takes.
  keeper_.SetLivenessCheck([this] {
    if (const ha::Drainable<ha::OwnedPool>::Use owned(drainable_); owned) {
      owned->engine.TakeLocks();
    }
    if (ha_node_ != nullptr) ha_node_->Describe();
    static_cast<void>(end_.fault());
  });
  BATON_ASSIGN_OR_RETURN(
      server_, ha::RequestServer::Start(
                   *listener_,
                   {.dropped = garbled_messages_,
                    .workers = control::NodeService::Workers(),
                    .lane_of = control::NodeService::LaneOf,
                    .busy = control::NodeService::Busy()},
                   [this](const std::string& bytes, const ha::RequestServer::Sender& sender) {
                     return node_service_->Handle(bytes, sender);
                   }));
  keeper_.SayServing(session()->init_answer(), BATON_VERSION);
  return absl::OkStatus();
}

void Controller::Begin(ha::OwnedEpoch& owned) {
  owned_ = std::make_unique<ha::OwnedPool>(ha::OwnedPool{owned.engine(), owned.storage()});
  std::function<absl::Status(const std::string&)> evict;
  if (ha_node_ != nullptr) {
    evict = [this, &owned](const std::string& node) {
      return ha_node_->EvictNode(owned.engine(), node);
    };
  }
  service_ = std::make_unique<control::ControlService>(control::ControlService::Options{
      .engine = owned.engine(),
      .runtime = runtime_,
      .mount = mount_->path(),
      .describe = [this] { return Describe(); },
      .content_changed = [this](uint64_t volume_id) { ContentChanged(volume_id); },
      .peers = Peers(),
      .evict = std::move(evict),
      .upgrade = [this] { return Upgrade(); },
      .audit = audit_});
  drainable_.Set(*owned_);
  drainable_service_.Set(*service_);
}

// The engine is sealed: whoever uses it ends soon.
void Controller::End() {
  drainable_service_.Drain();
  service_.reset();
  drainable_.Drain();
}

control::CloneService::Peers Controller::Peers() {
  if (options_.pair.alone()) return {};
  return {
      .prepare =
          [this](const std::string& source, const std::string& target, uint64_t size_bytes,
                 bool degraded) { return ha_node_->Prepare(source, target, size_bytes, degraded); },
      .await_opens = [this](bool degraded) { return ha_node_->AwaitOpens(degraded); },
      .activated = [this](const std::vector<uint64_t>& ids) { ha_node_->TellActivated(ids); }};
}

absl::Status Controller::Readmit(const std::string& node, uint64_t eviction) {
  const ha::Drainable<ha::OwnedPool>::Use owned(drainable_);
  if (!owned) return absl::AbortedError("this controller does not own the pool");
  // Its mount has nothing open, so it holds nothing; an eviction that took too long left that.
  BATON_RETURN_IF_ERROR(owned->engine.DropLocks(node));
  return owned->engine.ReadmitNode(node, eviction);
}

absl::Status Controller::RecordEvent(const std::string& kind, const std::string& text) {
  if (ha_node_ == nullptr) return owned_epoch_->RecordEvent(kind, text);
  ha_node_->Note(kind, text);
  return absl::OkStatus();
}

// With peers what is noted for the events is in the log, too.
void Controller::NoteCommand(const std::string& line, bool in_events) {
  if (ha_node_ == nullptr || !in_events) spdlog::info("command: {}", line);
  if (!in_events) return;
  const absl::Status recorded = RecordEvent("command", line);
  if (!recorded.ok()) spdlog::warn("an event is missing: {}", Message(recorded));
}

void Controller::DropPages(uint64_t volume_id) {
  const std::shared_ptr<fs::Session> current = session();
  if (current == nullptr) return;
  const absl::Status dropped = current->DropPages(volume_id);
  if (!dropped.ok()) {
    spdlog::warn("memory maps of volume {} may show old content: {}", volume_id, Message(dropped));
  }
}

void Controller::RetryLocks(uint64_t volume_id) {
  if (const auto current = session()) current->RetryLocks(volume_id);
}

void Controller::ContentChanged(uint64_t volume_id) {
  DropPages(volume_id);
  if (ha_node_ != nullptr) ha_node_->TellContentChanged(volume_id);
}

control::ControllerStatus Controller::Describe() const {
  control::ControllerStatus status;
  status.set_node(options_.node);
  if (!end_.fault().ok()) status.add_problems(Message(end_.fault()));
  if (ha_node_ != nullptr) {
    DescribeHa(ha_node_->Describe(), status);
  } else {
    DescribeOwner(status);
  }
  DescribeSpace(status);
  status.set_version(BATON_VERSION);
  status.set_pid(static_cast<uint32_t>(::getpid()));
  status.set_pool(std::filesystem::absolute(options_.pool).lexically_normal());
  status.set_pool_id(pool_.pool_id());
  status.set_mount(mount_->path());
  status.set_durability(NameOf(pool_.durability()));
  status.set_uptime_seconds(
      static_cast<uint64_t>(absl::ToInt64Seconds(runtime_.BootTime() - started_)));
  status.set_garbled_messages(garbled_messages_);
  status.set_keeper_pid(keeper_.keeper_pid());
  if (keeper_.keeper_pid() == 0) status.add_problems("there is no keeper: start batond again");
  status.set_restarts(restarts_);
  if (before_.cause() != keeper::CAUSE_NONE) {
    status.set_serving_after_ms(WaitedMs(serving_boot_ns_));
    status.set_first_answer_after_ms(WaitedMs(first_answer_boot_ns_));
  }
  return status;
}

void Controller::DescribeOwner(control::ControllerStatus& status) const {
  const absl::Status fault = end_.fault().ok() ? owned_epoch_->Check() : end_.fault();
  const std::string role = fault.ok() ? "owner" : "none";
  status.set_role(role);
  if (fault.ok()) status.set_owner(options_.node);
  if (!fault.ok() && end_.fault().ok()) status.add_problems(Message(fault));
  status.set_epoch(owned_epoch_->epoch());
  status.set_proof(owned_epoch_->proof());
  control::NodeStatus& node = *status.add_nodes();
  node.set_name(options_.node);
  node.set_role(role);
  node.set_reachable(true);
}

void Controller::DescribeSpace(control::ControllerStatus& status) const {
  const SpaceStatus space = space_.Describe();
  status.set_pool_total_bytes(space.pool.total_bytes);
  status.set_pool_free_bytes(space.pool.free_bytes);
  status.set_reserve_bytes(space.pool.reserve_bytes);
  if (space.time_to_full < absl::InfiniteDuration()) {
    status.set_pool_full_in_seconds(
        static_cast<uint64_t>(absl::ToInt64Seconds(space.time_to_full)) + 1);
  }
  for (const std::string& text : space.critical) status.add_problems("space: " + text);
  for (const std::string& text : space.warnings) status.add_warnings("space: " + text);
}

absl::Status Controller::Stop() {
  StopCommands();
  Unmount();
  router_.Shutdown();
  EndSession();
  router_.Leave();
  BATON_RETURN_IF_ERROR(RecordEvent("controller-stopped", "an orderly stop was asked for"));
  return Seal();
}

absl::Status Controller::Drain() {
  StopCommands();
  keeper_.SayDraining();
  router_.Shutdown();
  EndSession();
  BATON_RETURN_IF_ERROR(RecordEvent("controller-stopped", "drained for another process"));
  return Seal();
}

std::shared_ptr<fs::Session> Controller::session() const {
  absl::MutexLock lock(&session_mutex_);
  return session_;
}

// Pages that another thread is just dropping may hold it for longer: it serves no more.
void Controller::EndSession() {
  const std::shared_ptr<fs::Session> current = session();
  if (current == nullptr) return;
  current->Stop();
  absl::MutexLock lock(&session_mutex_);
  session_.reset();
}

void Controller::StopCommands() {
  server_.reset();
  space_meter_.reset();
}

absl::Status Controller::Seal() {
  if (ha_node_ != nullptr) return ha_node_->Stop();
  BATON_RETURN_IF_ERROR(owned_epoch_->Seal().status());
  End();
  return owned_epoch_->Release();
}

void Controller::Unmount() {
  absl::Status status = mount_->TakeDown(fs::Unmount::kClean);
  if (!status.ok()) {
    spdlog::warn("{}; taking the mount away, open files get errors from now on", Message(status));
    status = mount_->TakeDown(fs::Unmount::kLazy);
  }
  if (!status.ok()) spdlog::error("{}", Message(status));
}

void Controller::GiveUpStart() {
  StopCommands();
  router_.Shutdown();
  EndSession();
  keeper_.SetLivenessCheck({});
  if (ha_node_ != nullptr) ha_node_->Stop().IgnoreError();
  End();
  owned_epoch_.reset();
}

void Controller::EndMount() {
  const absl::Status status = mount_->TakeDown(fs::Unmount::kForced);
  if (!status.ok()) spdlog::error("{}", Message(status));
}

void Controller::Abandon() {
  const absl::Status status = mount_->TakeDown(fs::Unmount::kLazy);
  if (!status.ok()) spdlog::error("{}", Message(status));
  ::unlink(listener_->path().c_str());
}

}  // namespace baton
