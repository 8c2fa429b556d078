#include "cli/controller.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "cli/names_of.h"
#include "engine/base/status.h"
#include "engine/meta/epoch_directory.h"
#include "engine/meta/pool_file.h"
#include "engine/meta/reserve.h"

namespace baton {
absl::StatusOr<std::unique_ptr<Controller>> Controller::Start(const DaemonOptions& options,
                                                              keeper::Link& link, EndWatch& end) {
  std::unique_ptr<Controller> controller(new Controller(options, link, end));
  BATON_RETURN_IF_ERROR(controller->OpenPool());
  BATON_RETURN_IF_ERROR(controller->PrepareSession());
  BATON_RETURN_IF_ERROR(controller->AwaitTurn());
  BATON_RETURN_IF_ERROR(controller->ClaimEpoch());
  absl::Status status = controller->OpenEngine();
  if (status.ok()) status = controller->Serve();
  if (status.ok()) return controller;
  controller->GiveBackEpoch();
  return status;
}

absl::Status Controller::OpenPool() {
  BATON_ASSIGN_OR_RETURN(storage_, PosixStorage::Open(options_.pool));
  const absl::StatusOr<PoolRecord> pool = ReadPool(*storage_);
  if (!pool.ok()) return Annotate(pool.status(), "pool " + options_.pool);
  pool_ = *pool;
  return absl::OkStatus();
}

// All memory for requests, and the agreement with the kernel: nothing of it touches the mount.
absl::Status Controller::PrepareSession() {
  mount_ = link_.AdoptMount();
  listener_ = link_.AdoptListener();
  fs::SessionOptions session;
  session.fd = mount_->fd();
  session.init_request = mount_->init_request();
  session.init_answer = link_.begin().facts().init_answer();
  session.open_table = link_.open_table();
  session.adopt = !session.init_answer.empty();
  session.ownership = options_.ownership;
  session.on_disconnect = [this] { end_.Note(News::kUnmounted); };
  session.on_first_answer = [this] {
    first_answer_boot_ns_ = absl::ToInt64Nanoseconds(runtime_.BootTime());
    end_.Note(News::kFirstAnswer);
  };
  BATON_ASSIGN_OR_RETURN(session_, fs::Session::Make(router_, runtime_, std::move(session)));
  return absl::OkStatus();
}

// From here on no other controller of this mount is alive.
absl::Status Controller::AwaitTurn() {
  before_ = link_.begin().predecessor();
  restarts_ = link_.begin().facts().restarts();
  if (link_.begin().warm()) {
    BATON_ASSIGN_OR_RETURN(const keeper::Go go, link_.AwaitGo(BATON_VERSION));
    before_ = go.predecessor();
    restarts_ = go.restarts();
  }
  BATON_ASSIGN_OR_RETURN(NodeLock lock, NodeLock::Take(storage_->directory(), options_.node));
  node_lock_ = std::make_unique<NodeLock>(std::move(lock));
  return absl::OkStatus();
}

absl::Status Controller::ClaimEpoch() {
  BATON_ASSIGN_OR_RETURN(const NodeIdentity identity, MakeNodeIdentity(options_.node));
  BATON_ASSIGN_OR_RETURN(const OwnerGone gone, AwaitOwnerGone({.storage = *storage_,
                                                               .runtime = runtime_,
                                                               .identity = identity,
                                                               .holds_node_lock = true,
                                                               .times = {}}));
  BATON_ASSIGN_OR_RETURN(
      tenure_,
      Tenure::Claim({.storage = *storage_,
                     .runtime = runtime_,
                     .identity = identity,
                     .lease_times = {},
                     .durability = pool_.durability(),
                     .on_fault = [this](const absl::Status& fault) { end_.NoteFault(fault); }},
                    gone));
  return absl::OkStatus();
}

absl::Status Controller::OpenEngine() {
  BATON_RETURN_IF_ERROR(tenure_->Open());
  owned_ = std::make_unique<OwnedPool>(OwnedPool{tenure_->engine(), *storage_});
  seat_.Take(*owned_);
  router_.Route(&volumes_);
  // The locks that a status takes.
  link_.SetProof([this] {
    tenure_->engine().ListVolumes();
    tenure_->engine().ListClones();
    static_cast<void>(end_.fault());
  });
  return absl::OkStatus();
}

absl::Status Controller::Serve() {
  BATON_RETURN_IF_ERROR(session_->Serve());
  serving_boot_ns_ = absl::ToInt64Nanoseconds(runtime_.BootTime());
  BATON_RETURN_IF_ERROR(tenure_->TidyUp());
  service_ = std::make_unique<control::ControlService>(control::ControlService::Options{
      .engine = tenure_->engine(),
      .runtime = runtime_,
      .mount = mount_->path(),
      .describe = [this] { return Describe(); },
      .content_changed = [this](uint64_t volume_id) { DropPages(volume_id); },
      .upgrade = [this] { return Upgrade(); }});
  BATON_ASSIGN_OR_RETURN(server_,
                         ha::RequestServer::Start(
                             *listener_, {.dropped = garbled_messages_},
                             [this](const std::string& bytes) { return service_->Handle(bytes); }));
  link_.SayServing(session_->init_answer(), BATON_VERSION);
  return absl::OkStatus();
}

absl::Status Controller::RecordEvent(const std::string& kind, const std::string& text) {
  return tenure_->RecordEvent(kind, text);
}

void Controller::DropPages(uint64_t volume_id) {
  const absl::Status dropped = session_->DropPages(volume_id);
  if (!dropped.ok()) {
    spdlog::warn("memory maps of volume {} may show old content: {}", volume_id, Message(dropped));
  }
}

control::ControllerStatus Controller::Describe() const {
  control::ControllerStatus status;
  const absl::Status fault = end_.fault().ok() ? tenure_->Check() : end_.fault();
  const std::string role = fault.ok() ? "owner" : "none";
  status.set_node(options_.node);
  status.set_role(role);
  if (fault.ok()) status.set_owner(options_.node);
  if (!fault.ok()) status.add_problems(Message(fault));
  status.set_epoch(tenure_->epoch());
  status.set_proof(tenure_->proof());
  control::NodeStatus& node = *status.add_nodes();
  node.set_name(options_.node);
  node.set_role(role);
  node.set_reachable(true);
  status.set_version(BATON_VERSION);
  status.set_pid(static_cast<uint32_t>(::getpid()));
  status.set_pool(storage_->directory());
  status.set_pool_id(pool_.pool_id());
  status.set_mount(mount_->path());
  status.set_durability(NameOf(pool_.durability()));
  status.set_uptime_seconds(
      static_cast<uint64_t>(absl::ToInt64Seconds(runtime_.BootTime() - started_)));
  status.set_pool_total_bytes(storage_->TotalBytes().value_or(0));
  status.set_pool_free_bytes(storage_->FreeBytes().value_or(0));
  status.set_garbled_messages(garbled_messages_);
  status.set_keeper_pid(link_.keeper_pid());
  if (link_.keeper_pid() == 0) status.add_problems("there is no keeper: start batond again");
  status.set_restarts(restarts_);
  if (before_.cause() != keeper::CAUSE_NONE) {
    status.set_serving_after_ms(WaitedMs(serving_boot_ns_));
    status.set_first_answer_after_ms(WaitedMs(first_answer_boot_ns_));
  }
  return status;
}

absl::Status Controller::Stop() {
  StopCommands();
  Unmount();
  router_.Shutdown();
  session_.reset();
  BATON_RETURN_IF_ERROR(RecordEvent("controller-stopped", "an orderly stop was asked for"));
  return Seal();
}

absl::Status Controller::Drain() {
  StopCommands();
  link_.SayDraining();
  router_.Shutdown();
  session_.reset();
  BATON_RETURN_IF_ERROR(RecordEvent("controller-stopped", "drained for another process"));
  return Seal();
}

void Controller::StopCommands() {
  server_.reset();
  service_.reset();
}

absl::Status Controller::Seal() {
  BATON_RETURN_IF_ERROR(tenure_->Seal().status());
  link_.SetProof({});
  seat_.Vacate();
  return tenure_->Release();
}

void Controller::Unmount() {
  absl::Status status = mount_->TakeDown(fs::Unmount::kClean);
  if (!status.ok()) {
    spdlog::warn("{}; taking the mount away, open files get errors from now on", Message(status));
    status = mount_->TakeDown(fs::Unmount::kLazy);
  }
  if (!status.ok()) spdlog::error("{}", Message(status));
}

void Controller::GiveBackEpoch() {
  StopCommands();
  router_.Shutdown();
  session_.reset();
  link_.SetProof({});
  seat_.Vacate();
  tenure_.reset();
}

void Controller::Abandon() {
  const absl::Status status = mount_->TakeDown(fs::Unmount::kLazy);
  if (!status.ok()) spdlog::error("{}", Message(status));
  ::unlink(listener_->path().c_str());
}

}  // namespace baton
