#include "cli/batond/controller.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "cli/batond/ask_for_upgrade.h"
#include "cli/batond/ha_setup.h"
#include "cli/batond/machine_checks.h"
#include "cli/batond/slow_reply.h"
#include "cli/http/http_listener.h"
#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "engine/meta/pool_file.h"
#include "ha/io/eviction_status.h"
#include "ha/node/own_eviction.h"

namespace baton {
namespace {

// All that a mount keeps, and as many that wait: what fits in an answer.
constexpr size_t kMaxSlowShown = 2 * fs::SlowRequests::kKept;

}  // namespace

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
Controller::~Controller() {
  keeper_.SetLivenessCheck({});
  StopCommands();
  // Nobody waits any more for the answer to what was asked by HTTP.
  if (ha_node_ != nullptr) ha_node_->StopWaiting();
  http_.reset();
  session_.Begin(nullptr);
  // What still uses the engine of an epoch that could not be sealed; HaNode does it for its own.
  if (ha_node_ == nullptr && services_ != nullptr) services_->End();
}

// One that has peers learns from its keeper what it must know: it serves its mount also while its
// own way to the storage is broken.
absl::Status Controller::OpenPool() {
  if (!options_.pair.alone()) {
    if (!pool_.ParseFromString(keeper_.begin().facts().pool())) {
      return absl::InternalError("the keeper tells nothing of the pool");
    }
    return CheckBeforeTurn(options_, pool_, keeper_.begin());
  }
  BATON_ASSIGN_OR_RETURN(storage_, PosixStorage::Open(options_.pool));
  const absl::StatusOr<PoolRecord> pool = ReadPool(*storage_);
  if (!pool.ok()) return Annotate(pool.status(), "pool " + options_.pool);
  pool_ = *pool;
  PoolRecord served;
  const bool known = served.ParseFromString(keeper_.begin().facts().pool());
  if (!known || served.pool_id() == pool_.pool_id()) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition,
               "{} is another pool than the one that this mount shows: stop and start for that",
               options_.pool);
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
  session.slow = options_.slow;
  session.on_disconnect = [&end = end_] { end.Note(ProcessEvent::kUnmounted); };
  // What its programs do from there on they do without the locks that they count on.
  session.on_locks_lost = [&end = end_](const std::string& text) {
    end.NoteFault(ha::MountEnds(Error(absl::StatusCode::kFailedPrecondition, "{}", text)));
  };
  session.on_first_answer = [&end = end_, &runtime = runtime_,
                             &succession = succession_](std::optional<absl::Duration> came) {
    succession.NoteFirstAnswer(came, runtime.BootTime());
    end.Note(ProcessEvent::kFirstAnswer);
  };
  BATON_ASSIGN_OR_RETURN(auto made, fs::Session::Make(router_, runtime_, std::move(session)));
  session_.Begin(std::move(made));
  MakeServices();
  return absl::OkStatus();
}

void Controller::MakeServices() {
  reporter_ = std::make_unique<StatusReporter>(
      runtime_,
      StatusReporter::Facts{.node = options_.node,
                            .pool = options_.pool,
                            .mount = mount_->path(),
                            .record = pool_,
                            .pause_warning = WarnOfPauses(options_.pair).value_or("")},
      StatusReporter::Sources{
          .role = role_slot_,
          .succession = succession_,
          .end = end_,
          .space = space_,
          .keeper_client = keeper_,
          .session = session_,
          .garbled_messages = garbled_messages_,
          .pauses = pauses_,
          .write_log = [this]() -> std::optional<WriteLogStatus> {
            const ha::Drainable<ha::OwnedPool>::Use owned(services_->pool());
            if (!owned) return std::nullopt;
            return owned->engine.ShowWriteLog();
          },
          .http_problem = http_problem_,
      });
  services_ = std::make_unique<OwnerServices>(OwnerServices::Options{
      .runtime = runtime_,
      .mount = mount_->path(),
      .mount_events = session_,
      .audit = audit_,
      .describe = [&reporter = *reporter_] { return reporter.Describe(); },
      .upgrade = [&keeper = keeper_] { return AskForUpgrade(keeper); },
      .crash = {.check = [this] { return crash_.Check(options_, mount_->init_request()); },
                .give = [&crash = crash_](absl::Duration delay) { return crash.Give(delay); }}});
  volumes_ = std::make_unique<ha::VolumeAdapter>(
      services_->pool(),
      [&slot = role_slot_](const absl::Status& status) {
        PoolRole* const role = slot.get();
        return role != nullptr && role->StorageFailed(status);
      },
      options_.node);
}

// From here on no other controller of this mount is alive.
absl::Status Controller::AwaitTurn() {
  succession_.Follow(keeper_.begin().predecessor(), keeper_.begin().facts().restarts());
  if (keeper_.begin().warm()) {
    BATON_ASSIGN_OR_RETURN(const keeper::Go go, keeper_.AwaitGo(BATON_VERSION));
    succession_.Follow(go.predecessor(), go.restarts());
  }
  BATON_RETURN_IF_ERROR(ListenForHttp());
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
  const bool may_have_files = !IsFirstStart();
  BATON_RETURN_IF_ERROR(
      ha::SettleOwnEviction(owned_epoch_->engine(), options_.node, may_have_files));
  BATON_RETURN_IF_ERROR(owned_epoch_->engine().DropLocksOfOthers({options_.node}));
  role_ = std::make_unique<LoneRole>(options_.node, *owned_epoch_, end_);
  role_slot_.Set(*role_);
  services_->BeginAlone(*owned_epoch_);
  MakeCommands(nullptr);
  router_.Route(volumes_.get());
  BATON_RETURN_IF_ERROR(session_.get()->Serve());
  succession_.NoteServing(runtime_.BootTime());
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
                                         .give_up = [&end = end_] { return end.IsAsked(); }}));
  BATON_ASSIGN_OR_RETURN(
      owned_epoch_,
      ha::OwnedEpoch::Claim(
          {.storage = *storage_,
           .runtime = runtime_,
           .identity = identity_,
           .lease_times = options_.lease,
           .pauses = &pauses_,
           .durability = pool_.durability(),
           .on_fault = [&end = end_](const absl::Status& fault) { end.NoteFault(fault); },
           .on_lock_freed = [&session =
                                 session_](uint64_t volume_id) { session.LockFreed(volume_id); }},
          gone));
  return absl::OkStatus();
}

absl::Status Controller::ServeInPair() {
  BATON_RETURN_IF_ERROR(MakeHaNode());
  MakeCommands(ha_node_.get());
  BATON_RETURN_IF_ERROR(session_.get()->Serve());
  succession_.NoteServing(runtime_.BootTime());
  BATON_RETURN_IF_ERROR(ha_node_->Start(*node_service_));
  return StartCommands();
}

absl::Status Controller::MakeHaNode() {
  BATON_ASSIGN_OR_RETURN(
      ha::HaNode::Options options,
      HaNodeOptionsOf(options_,
                      {.runtime = runtime_,
                       .router = router_,
                       .local = *volumes_,
                       .locks = *volumes_,
                       .services = *services_,
                       .mount = session_,
                       .pool = pool_,
                       .identity = identity_,
                       .pauses = pauses_,
                       .certificate_counts = keeper_.begin().facts().writes_end_with_process()}));
  options.on_space = [&watch = space_](const SpaceReading& space) { watch.Note(space); };
  options.on_fault = [&end = end_](const absl::Status& fault) { end.NoteFault(fault); };
  BATON_ASSIGN_OR_RETURN(ha_node_, ha::HaNode::Make(std::move(options)));
  role_ = std::make_unique<PeeredRole>(*ha_node_);
  role_slot_.Set(*role_);
  return absl::OkStatus();
}

void Controller::MakeCommands(ha::HaNode* node) {
  node_service_ = std::make_unique<control::NodeService>(control::NodeService::Options{
      .owner = services_->commands(),
      .pair = node,
      .node = options_.node,
      .mount = mount_->path(),
      .describe = [&reporter = *reporter_] { return reporter.Describe(); },
      .upgrade = [&keeper = keeper_] { return AskForUpgrade(keeper); },
      .slow = [this](size_t most) { return TraceSlow(most); },
      .audit = audit_});
}

absl::Status Controller::StartCommands() {
  // The locks that a status takes.
  keeper_.SetLivenessCheck([&pool = services_->pool(), node = ha_node_.get(), &end = end_] {
    if (const ha::Drainable<ha::OwnedPool>::Use owned(pool); owned) owned->engine.TakeLocks();
    if (node != nullptr) node->Describe();
    static_cast<void>(end.fault());
  });
  BATON_ASSIGN_OR_RETURN(server_,
                         ha::RequestServer::StartLanes(
                             *listener_,
                             {.runtime = runtime_,
                              .dropped = garbled_messages_,
                              .workers = control::NodeService::Workers(),
                              .busy = control::NodeService::Busy()},
                             [&service = *node_service_](const std::string& bytes,
                                                         const ha::RequestServer::Sender& sender) {
                               return service.Read(bytes, sender);
                             }));
  BATON_RETURN_IF_ERROR(StartHttp());
  keeper_.SayServing(session_.get()->init_answer(), BATON_VERSION);
  return absl::OkStatus();
}

// At the first start the address must be free. Later on programs use the mount: they come first.
absl::Status Controller::ListenForHttp() {
  if (!options_.http) return absl::OkStatus();
  absl::StatusOr<UniqueFd> listener = http::ListenAt(*options_.http);
  if (listener.ok()) {
    http_listener_ = *std::move(listener);
    return absl::OkStatus();
  }
  if (IsFirstStart()) {
    return Annotate(listener.status(), "http.listen");
  }
  spdlog::error("http: {}; trying again", Message(listener.status()));
  return absl::OkStatus();
}

absl::Status Controller::StartHttp() {
  if (!options_.http) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<http::HttpService>> started = http::HttpService::Start(
      {.runtime = runtime_,
       .address = *options_.http,
       .problem = http_problem_,
       .ask = [&service = *node_service_](
                  const control::Request& request) { return service.Ask(request); },
       .io = [&session = session_]() -> std::optional<fs::MountIo> {
         const std::shared_ptr<fs::Session> current = session.get();
         return current == nullptr ? std::nullopt : std::optional(current->Io());
       },
       .first_writes = [this] { return CountFirstWrites(); },
       .volumes = [this] { return ListVolumeNames(); }},
      std::move(http_listener_));
  if (started.ok()) {
    http_ = *std::move(started);
    return absl::OkStatus();
  }
  if (IsFirstStart()) return Annotate(started.status(), "http.listen");
  http_problem_.Set(Message(started.status()) + "; not tried again before the next start");
  spdlog::error("http: {}", http_problem_.Get());
  return absl::OkStatus();
}

control::SlowRequests Controller::TraceSlow(size_t most) const {
  const std::shared_ptr<fs::Session> session = session_.get();
  if (session == nullptr) return {};
  return SlowReply(session->Slow(std::min(most, kMaxSlowShown)), runtime_,
                   ListVolumeNames().value_or(http::VolumeNames()));
}

std::optional<FirstWrites> Controller::CountFirstWrites() const {
  const ha::Drainable<ha::OwnedPool>::Use owned(services_->pool());
  return owned ? std::optional(owned->engine.CountFirstWrites()) : std::nullopt;
}

std::optional<http::VolumeNames> Controller::ListVolumeNames() const {
  const auto take = [](const PoolView& pool) {
    http::VolumeNames names;
    for (const VolumeInfo& volume : pool.ListVolumesAfter(0, limits::kMaxVolumes)) {
      names[volume.id] = volume.name;
    }
    return names;
  };
  if (const ha::Drainable<ha::OwnedPool>::Use owned(services_->pool()); owned) {
    return take(owned->engine);
  }
  const auto view = ha_node_ == nullptr ? nullptr : ha_node_->view();
  return view == nullptr ? std::nullopt : std::optional(take(*view));
}

absl::Status Controller::Stop() {
  StopCommands();
  Unmount();
  router_.Shutdown();
  session_.End();
  router_.Leave();
  BATON_RETURN_IF_ERROR(
      role_slot_.RecordEvent("controller-stopped", "an orderly stop was asked for"));
  BATON_RETURN_IF_ERROR(Seal());
  if (storage_ != nullptr) Engine::GiveBackSpace(*storage_);  // of a pair the next owner does it
  return absl::OkStatus();
}

absl::Status Controller::Drain() {
  StopCommands();
  keeper_.SayDraining();
  router_.Shutdown();
  session_.End();
  BATON_RETURN_IF_ERROR(
      role_slot_.RecordEvent("controller-stopped", "drained for another process"));
  return Seal();
}

void Controller::StopCommands() {
  if (http_ != nullptr) http_->Close();
  http_listener_ = UniqueFd();
  server_.reset();
  space_meter_.reset();
}

absl::Status Controller::Seal() {
  if (ha_node_ != nullptr) return ha_node_->Stop();
  BATON_RETURN_IF_ERROR(owned_epoch_->Seal().status());
  services_->End();
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
  session_.End();
  keeper_.SetLivenessCheck({});
  if (ha_node_ != nullptr) ha_node_->Stop().IgnoreError();
  services_->End();
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
