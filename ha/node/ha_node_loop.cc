// The pair's thread: events to the coordinator, its orders to whoever carries them out.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "ha/node/owner_times.h"
#include "ha/node/ha_node.h"
#include "engine/base/status.h"

namespace baton {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(50);
constexpr absl::Duration kHeard = absl::Seconds(1);
// One that has just come is monitored after this long: what the agent looks for is there by then.
constexpr absl::Duration kFirstMonitor = absl::Seconds(2);

}  // namespace

void Pair::Run() {
  while (true) {
    for (const ha::Event& event : TakeEvents(runtime_.BootTime() + kTick)) StepOn(event);
    {
      absl::MutexLock lock(&mutex_);
      if (stopping_) return;
    }
    CheckStorage();
    StepOn(ha::event::Tick{});
    Route();
    UseViewIfUnserved();
    Publish();
    MonitorFence();
    Beat();
  }
}

void Pair::Post(ha::Event event) {
  absl::MutexLock lock(&mutex_);
  events_.push_back(std::move(event));
  changed_.SignalAll();
}

std::vector<ha::Event> Pair::TakeEvents(absl::Duration until) {
  absl::MutexLock lock(&mutex_);
  while (events_.empty() && !stopping_ && runtime_.BootTime() < until) {
    runtime_.WaitUntil(changed_, mutex_, until);
  }
  std::vector<ha::Event> events(events_.begin(), events_.end());
  events_.clear();
  return events;
}

void Pair::StepOn(const ha::Event& event) {
  for (const ha::Action& action : coordinator_->Step(event, runtime_.BootTime())) {
    std::visit([this](const auto& order) { Do(order); }, action);
  }
}

void Pair::CheckStorage() {
  const absl::Status health = watch_->Health();
  if (told_storage_once_ && health.ok() == told_storage_.ok()) return;
  told_storage_once_ = true;
  told_storage_ = health;
  StepOn(ha::event::StorageHealth{.ok = health.ok(), .text = Message(health)});
}

void Pair::Beat() {
  const absl::Duration now = runtime_.BootTime();
  if (now < next_beat_) return;
  next_beat_ = now + options_.heartbeat;
  ha::Heartbeat heartbeat;
  heartbeat.set_state(ha::Name(coordinator_->state()));
  heartbeat.set_epoch(coordinator_->epoch());
  if (!coordinator_->healthy()) {
    heartbeat.set_health(told_storage_.ok() ? "it is about to end" : Message(told_storage_));
  }
  heartbeat.set_owner(routed_here_);
  heartbeat.set_eligible(coordinator_->eligible());
  AddTimes(own_times_, heartbeat);
  if (routed_here_) {
    heartbeat.set_proof(tenure_->proof());
    for (const std::string& node : served_.Evicted()) heartbeat.add_evicted(node);
  }
  {
    absl::MutexLock lock(&mutex_);
    heartbeat.set_certificate_epoch(certificate_);
  }
  network_->Publish(std::move(heartbeat));
}

// An owner's requests are routed by Serve and Seal.
void Pair::Route() {
  if (routed_here_) return;
  RemoteVolumes* remote = nullptr;
  uint64_t epoch = 0;
  {
    absl::MutexLock lock(&mutex_);
    const std::string owner = coordinator_->owner();
    const auto peer = peers_.find(owner);
    if (peer != peers_.end() && peer->second.last.owner() &&
        peer->second.last.epoch() >= coordinator_->epoch()) {
      remote = remotes_.at(owner).get();
      epoch = peer->second.last.epoch();
    }
  }
  if (remote == routed_to_ && epoch == routed_epoch_) return;
  // What is open with it counts for nothing from here on, and need not be closed there.
  if (routed_to_ != nullptr) remotes_.at(routed_to_->peer())->SetEpoch(0);
  if (remote != nullptr) remote->SetEpoch(epoch);
  routed_to_ = remote;
  routed_epoch_ = epoch;
  options_.router.Route(remote);
  if (remote != nullptr) spdlog::info("node {} serves epoch {}", remote->peer(), epoch);
}

void Pair::Publish() {
  const absl::Duration now = runtime_.BootTime();
  {
    absl::MutexLock lock(&mutex_);
    status_.is_owner = routed_here_;
    status_.state = ha::Name(coordinator_->state());
    status_.owner = routed_here_ ? options_.identity.node : coordinator_->owner();
    status_.epoch = coordinator_->epoch();
    status_.lease_age = coordinator_->lease_unchanged();
    status_.proof = routed_here_ ? tenure_->proof() : "";
    status_.serves = routed_here_;
    for (const auto& [name, peer] : peers_) {
      const bool heard = now - peer.heard < kHeard;
      if (name == status_.owner && peer.last.owner()) {
        status_.proof = peer.last.proof();
        status_.serves = heard && peer.last.epoch() == status_.epoch;
      }
    }
    changed_.SignalAll();
  }
}

// Of peers that are heard: what an agent says of others does not count. One at a time.
void Pair::MonitorFence() {
  if (options_.monitor_fence_every == absl::InfiniteDuration()) return;
  const absl::Duration now = runtime_.BootTime();
  absl::MutexLock lock(&mutex_);
  for (const auto& [name, peer] : peers_) {
    const bool is_new = !next_monitor_.contains(name) || now - peer.heard >= kHeard;
    if (is_new) next_monitor_[name] = now + std::min(kFirstMonitor, options_.monitor_fence_every);
    if (monitoring_ || now < next_monitor_[name]) continue;
    next_monitor_[name] = now + options_.monitor_fence_every;
    monitoring_ = true;
    fence_monitor_->Do([this, node = name] { AskFenceAgent(node); });
  }
}

// The fence-monitor thread's.
void Pair::AskFenceAgent(const std::string& node) {
  const absl::Status status = options_.monitor_fence(node);
  Post(ha::event::FenceMonitored{.node = node, .ok = status.ok(), .text = Message(status)});
  absl::MutexLock lock(&mutex_);
  monitoring_ = false;
}

void Pair::Do(const ha::action::AskOwnerToStop& action) {
  spdlog::warn("asking node {} to stop owning epoch {}", action.node, action.epoch);
  orders_->Do([this, action] { AskToStop(action.node, action.epoch); });
}

void Pair::Do(const ha::action::RunFence& action) {
  spdlog::warn("fencing node {}", action.node);
  fences_->Do([this, node = action.node] {
    const absl::Status status =
        options_.fence ? options_.fence(node) : absl::UnavailableError("no command is configured");
    Post(ha::event::FenceEnded{.node = node, .ok = status.ok(), .text = Message(status)});
  });
}

void Pair::Do(const ha::action::Claim& action) {
  tenures_->Do([this, action] { Claim(action); });
}

void Pair::Do(const ha::action::Recover&) {
  tenures_->Do([this] { Recover(); });
}

void Pair::Do(const ha::action::Serve&) {
  if (routed_to_ != nullptr) remotes_.at(routed_to_->peer())->SetEpoch(0);
  {
    absl::MutexLock lock(&mutex_);
    sealing_ = false;
  }
  hooks_.begin(*tenure_);
  served_.Begin(tenure_->epoch(), tenure_->engine().EvictedNodes());
  routed_here_ = true;
  routed_to_ = nullptr;
  options_.router.Route(&options_.local);
  tenure_->engine().StartCopiers();
  {
    absl::MutexLock lock(&mutex_);
    served_since_ = runtime_.BootTime();
    follows_failure_ = tenure_->proof() != ha::Name(ha::Proof::kNoneNeeded) &&
                       tenure_->proof() != ha::Name(ha::Proof::kHandover);
    certificate_ = 0;
  }
  spdlog::info("serving epoch {}", tenure_->epoch());
  tenures_->Do([this] { RecordClaim(); });
}

// Requests wait from here on, and nobody begins anything new with the engine.
void Pair::Do(const ha::action::Seal& action) {
  spdlog::info("sealing the epoch: {}", action.reason);
  if (routed_here_) options_.router.Route(nullptr);
  routed_here_ = false;
  {
    absl::MutexLock lock(&mutex_);
    sealing_ = true;
    changed_.SignalAll();
  }
  served_.End();
  tenures_->Do([this] { Seal(); });
}

void Pair::Do(const ha::action::OfferHandover& action) {
  orders_->Do([this, action] { Offer(action.to, action.epoch); });
}

void Pair::Do(const ha::action::AnswerStop& action) {
  absl::MutexLock lock(&mutex_);
  stop_answers_[action.to] = action.ok;
  changed_.SignalAll();
}

void Pair::Do(const ha::action::RefuseHandover& action) {
  absl::MutexLock lock(&mutex_);
  refusal_ = action.text;
  changed_.SignalAll();
}

void Pair::Do(const ha::action::BecomeStandby&) { spdlog::info("a standby from now on"); }

void Pair::Do(const ha::action::PublishCertificate& action) {
  std::optional<LeaseRecord> record;
  {
    absl::MutexLock lock(&mutex_);
    certificate_ = action.epoch;
    record = lease_;
  }
  next_beat_ = absl::ZeroDuration();
  if (!record || record->epoch != action.epoch) return;
  tenures_->Do([this, lease = *record] { WriteCertificate(lease); });
}

void Pair::Do(const ha::action::RaiseAlarm& action) {
  spdlog::error("alarm: {}: {}", ha::Name(action.alarm), action.text);
  absl::MutexLock lock(&mutex_);
  alarms_[action.alarm] = action.text;
}

void Pair::Do(const ha::action::ClearAlarm& action) {
  spdlog::info("the alarm is over: {}", ha::Name(action.alarm));
  absl::MutexLock lock(&mutex_);
  alarms_.erase(action.alarm);
}

void Pair::Do(const ha::action::RecordNote& action) { Note(action.kind, action.text); }

void Pair::Do(const ha::action::EndProcess& action) {
  if (!action.reason.empty()) {
    hooks_.fault(absl::AbortedError(action.reason));
    return;
  }
  absl::MutexLock lock(&mutex_);
  if (!ended_) ended_ = absl::OkStatus();
  changed_.SignalAll();
}

}  // namespace baton
