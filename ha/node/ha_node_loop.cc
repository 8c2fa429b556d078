// The pair's thread: events to the coordinator, its orders to whoever carries them out.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "engine/base/status.h"
#include "ha/node/ha_node.h"
#include "ha/node/owner_times.h"

namespace baton::ha {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(50);
constexpr absl::Duration kHeard = absl::Seconds(1);
// One that has just come is monitored after this long: what the agent looks for is there by then.
constexpr absl::Duration kFirstMonitor = absl::Seconds(2);

}  // namespace

void HaNode::Run() {
  while (true) {
    for (const Event& event : TakeEvents(runtime_.BootTime() + kTick)) StepOn(event);
    {
      absl::MutexLock lock(&mutex_);
      if (stopping_) return;
    }
    CheckStorage();
    StepOn(event::Tick{});
    Route();
    UseViewIfUnserved();
    Publish();
    MonitorFence();
    Beat();
  }
}

void HaNode::Post(Event event) {
  absl::MutexLock lock(&mutex_);
  events_.push_back(std::move(event));
  changed_.SignalAll();
}

std::vector<Event> HaNode::TakeEvents(absl::Duration until) {
  absl::MutexLock lock(&mutex_);
  while (events_.empty() && !stopping_ && runtime_.BootTime() < until) {
    runtime_.WaitUntil(changed_, mutex_, until);
  }
  std::vector<Event> events(events_.begin(), events_.end());
  events_.clear();
  return events;
}

void HaNode::StepOn(const Event& event) {
  for (const Action& action : coordinator_->Step(event, runtime_.BootTime())) {
    std::visit([this](const auto& order) { Do(order); }, action);
  }
}

void HaNode::CheckStorage() {
  const absl::Status health = watch_->Health();
  if (told_storage_once_ && health.ok() == told_storage_.ok()) return;
  told_storage_once_ = true;
  told_storage_ = health;
  StepOn(event::StorageHealth{.ok = health.ok(), .text = Message(health)});
}

void HaNode::Beat() {
  const absl::Duration now = runtime_.BootTime();
  if (now < next_beat_) return;
  next_beat_ = now + options_.heartbeat;
  Heartbeat heartbeat;
  heartbeat.set_state(Name(coordinator_->state()));
  heartbeat.set_epoch(coordinator_->epoch());
  if (!coordinator_->healthy()) {
    heartbeat.set_health(told_storage_.ok() ? "it is about to end" : Message(told_storage_));
  }
  heartbeat.set_owner(routed_here_);
  heartbeat.set_eligible(coordinator_->eligible());
  AddTimes(own_times_, heartbeat);
  if (routed_here_) {
    heartbeat.set_proof(owned_epoch_->proof());
    for (const std::string& node : served_.Evicted()) heartbeat.add_evicted(node);
  }
  {
    absl::MutexLock lock(&mutex_);
    heartbeat.set_certificate_epoch(certificate_);
  }
  network_->Publish(std::move(heartbeat));
}

// An owner's requests are routed by Serve and Seal.
void HaNode::Route() {
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

void HaNode::Publish() {
  const absl::Duration now = runtime_.BootTime();
  {
    absl::MutexLock lock(&mutex_);
    status_.is_owner = routed_here_;
    status_.state = Name(coordinator_->state());
    status_.owner = routed_here_ ? options_.identity.node : coordinator_->owner();
    status_.epoch = coordinator_->epoch();
    status_.lease_age = coordinator_->lease_unchanged();
    status_.proof = routed_here_ ? owned_epoch_->proof() : "";
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
void HaNode::MonitorFence() {
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
void HaNode::AskFenceAgent(const std::string& node) {
  const absl::Status status = options_.monitor_fence(node);
  Post(event::FenceMonitored{.node = node, .ok = status.ok(), .text = Message(status)});
  absl::MutexLock lock(&mutex_);
  monitoring_ = false;
}

void HaNode::Do(const action::AskOwnerToStop& action) {
  spdlog::warn("asking node {} to stop owning epoch {}", action.node, action.epoch);
  orders_->Do([this, action] { AskToStop(action.node, action.epoch); });
}

void HaNode::Do(const action::RunFence& action) {
  spdlog::warn("fencing node {}", action.node);
  fences_->Do([this, node = action.node] {
    const absl::Status status =
        options_.fence ? options_.fence(node) : absl::UnavailableError("no command is configured");
    Post(event::FenceEnded{.node = node, .ok = status.ok(), .text = Message(status)});
  });
}

void HaNode::Do(const action::Claim& action) {
  epoch_queue_->Do([this, action] { Claim(action); });
}

void HaNode::Do(const action::Recover&) {
  epoch_queue_->Do([this] { Recover(); });
}

void HaNode::Do(const action::Serve&) {
  if (routed_to_ != nullptr) remotes_.at(routed_to_->peer())->SetEpoch(0);
  {
    absl::MutexLock lock(&mutex_);
    sealing_ = false;
  }
  hooks_.begin(*owned_epoch_);
  served_.Begin(owned_epoch_->epoch(), owned_epoch_->engine().EvictedNodes());
  routed_here_ = true;
  routed_to_ = nullptr;
  options_.router.Route(&options_.local);
  owned_epoch_->engine().StartCopiers();
  {
    absl::MutexLock lock(&mutex_);
    served_since_ = runtime_.BootTime();
    follows_failure_ = owned_epoch_->proof() != Name(Proof::kNoneNeeded) &&
                       owned_epoch_->proof() != Name(Proof::kHandover);
    certificate_ = 0;
  }
  spdlog::info("serving epoch {}", owned_epoch_->epoch());
  epoch_queue_->Do([this] { RecordClaim(); });
}

// Requests wait from here on, and nobody begins anything new with the engine.
void HaNode::Do(const action::Seal& action) {
  spdlog::info("sealing the epoch: {}", action.reason);
  if (routed_here_) options_.router.Route(nullptr);
  routed_here_ = false;
  {
    absl::MutexLock lock(&mutex_);
    sealing_ = true;
    changed_.SignalAll();
  }
  served_.End();
  epoch_queue_->Do([this] { Seal(); });
}

void HaNode::Do(const action::OfferHandover& action) {
  orders_->Do([this, action] { Offer(action.to, action.epoch); });
}

void HaNode::Do(const action::AnswerStop& action) {
  absl::MutexLock lock(&mutex_);
  stop_answers_[action.to] = action.ok;
  changed_.SignalAll();
}

void HaNode::Do(const action::RefuseHandover& action) {
  absl::MutexLock lock(&mutex_);
  refusal_ = action.text;
  changed_.SignalAll();
}

void HaNode::Do(const action::BecomeStandby&) { spdlog::info("a standby from now on"); }

void HaNode::Do(const action::PublishCertificate& action) {
  std::optional<LeaseRecord> record;
  {
    absl::MutexLock lock(&mutex_);
    certificate_ = action.epoch;
    record = lease_;
  }
  next_beat_ = absl::ZeroDuration();
  if (!record || record->epoch != action.epoch) return;
  epoch_queue_->Do([this, lease = *record] { WriteCertificate(lease); });
}

void HaNode::Do(const action::RaiseAlarm& action) {
  spdlog::error("alarm: {}: {}", Name(action.alarm), action.text);
  absl::MutexLock lock(&mutex_);
  alarms_[action.alarm] = action.text;
}

void HaNode::Do(const action::ClearAlarm& action) {
  spdlog::info("the alarm is over: {}", Name(action.alarm));
  absl::MutexLock lock(&mutex_);
  alarms_.erase(action.alarm);
}

void HaNode::Do(const action::RecordNote& action) { Note(action.kind, action.text); }

void HaNode::Do(const action::EndProcess& action) {
  if (!action.reason.empty()) {
    hooks_.fault(absl::AbortedError(action.reason));
    return;
  }
  absl::MutexLock lock(&mutex_);
  if (!ended_) ended_ = absl::OkStatus();
  changed_.SignalAll();
}

}  // namespace baton::ha
