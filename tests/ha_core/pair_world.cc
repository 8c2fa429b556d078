#include "tests/ha_core/pair_world.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/ha_core/transcript.h"

namespace baton::ha {
namespace {

// As lease_times.h.
constexpr absl::Duration kRenew = absl::Milliseconds(500);
constexpr absl::Duration kPoll = absl::Milliseconds(100);
constexpr double kLossOfMessages = 0.02;

}  // namespace

PairWorld::PairWorld(const WorldOptions& options) : options_(options), random_(options.seed) {
  nodes_.resize(static_cast<size_t>(options.nodes));
  for (int i = 0; i < options.nodes; ++i) {
    Node& node = nodes_[static_cast<size_t>(i)];
    node.name = std::string(1, static_cast<char>('A' + i));
    node.rate = 0.995 + 0.01 * static_cast<double>(Pick(1001)) / 1000;
    node.offset = absl::Seconds(Pick(100000));
    After(Between(0, 500), [this, i] { Start(i); });
  }
}

PairWorld::~PairWorld() = default;

// ---- Time and chance --------------------------------------------------------------------------

absl::Duration PairWorld::Between(double low_ms, double high_ms) {
  return absl::Milliseconds(std::uniform_real_distribution(low_ms, high_ms)(random_));
}

bool PairWorld::Chance(double probability) {
  return std::bernoulli_distribution(probability)(random_);
}

void PairWorld::After(absl::Duration delay, std::function<void()> body) {
  timers_.push({.at = now_ + delay, .order = next_order_++, .body = std::move(body)});
}

void PairWorld::AfterIn(int node, absl::Duration delay, std::function<void(Process&)> body) {
  const uint64_t instance = nodes_[static_cast<size_t>(node)].process->instance;
  After(delay, [this, node, instance, body] {
    Process* process = ProcessOf(node, instance);
    if (process == nullptr) return;
    if (process->stopped) return AfterIn(node, absl::Milliseconds(20), body);
    body(*process);
  });
}

void PairWorld::RunFor(absl::Duration time) {
  const absl::Duration end = now_ + time;
  while (!timers_.empty() && timers_.top().at <= end) {
    const Timer timer = timers_.top();
    timers_.pop();
    now_ = timer.at;
    timer.body();
    if (testing::Test::HasFailure()) return;
  }
  now_ = end;
}

// ---- Processes --------------------------------------------------------------------------------

PairWorld::Process* PairWorld::ProcessOf(int node, uint64_t instance) {
  Process* process = nodes_[static_cast<size_t>(node)].process.get();
  return process != nullptr && process->instance == instance ? process : nullptr;
}

int PairWorld::NodeNamed(const std::string& name) const { return name.at(0) - 'A'; }

// Half, the same or double of the usual.
PairWorld::Times PairWorld::DrawTimes() {
  Times times;
  times.told.watchdog = options_.watchdog;
  if (!options_.times_differ) return times;
  const double factor = std::exp2(Pick(3) - 1);
  times.stop *= factor;
  times.valid *= factor;
  times.told.stale_after = std::max(times.told.stale_after * factor, 2.5 * kRenew);
  times.told.takeover_after *= factor;
  if (options_.watchdog > absl::ZeroDuration()) times.told.watchdog = Pick(2) * options_.watchdog;
  return times;
}

void PairWorld::Start(int index) {
  Node& node = nodes_[static_cast<size_t>(index)];
  if (!node.powered || node.process) return;
  CoordinatorOptions options;
  options.node = node.name;
  for (const Node& other : nodes_) {
    if (other.name != node.name) options.peers.push_back(other.name);
  }
  options.takeover = options_.takeover;
  options.has_fence = options_.fence;
  options.fence_delay = index * absl::Milliseconds(700);
  const Times times = DrawTimes();
  options.times = times.told;
  ASSERT_TRUE(CheckCoordinatorOptions(options).ok());
  node.process = std::make_unique<Process>();
  node.process->instance = next_instance_++;
  node.process->times = times;
  node.process->coordinator = std::make_unique<Coordinator>(options, Local(node));
  log_.push_back(fmt::format("{} {} starts", absl::FormatDuration(now_), node.name));
  Look(index);
  Beat(index);
  Guard(index);
}

void PairWorld::Kill(int index) {
  Node& node = nodes_[static_cast<size_t>(index)];
  if (!node.process) return;
  log_.push_back(fmt::format("{} {} dies", absl::FormatDuration(now_), node.name));
  node.process.reset();
  After(Between(50, 500), [this, index] { Start(index); });
}

void PairWorld::PowerOff(int index) {
  Node& node = nodes_[static_cast<size_t>(index)];
  Kill(index);
  node.powered = false;
  After(Between(2000, 10000), [this, index] { PowerOn(index); });
}

void PairWorld::PowerOn(int index) {
  Node& node = nodes_[static_cast<size_t>(index)];
  if (node.powered || node.stays_off) return;
  node.powered = true;
  ++node.boot;
  Start(index);
}

void PairWorld::Stop(int index, absl::Duration time) {
  Process* process = nodes_[static_cast<size_t>(index)].process.get();
  if (process == nullptr || process->stopped) return;
  process->stopped = true;
  After(time, [this, index, instance = process->instance] {
    Process* stopped = ProcessOf(index, instance);
    if (stopped == nullptr) return;
    stopped->stopped = false;
    for (const Event& event : std::exchange(stopped->backlog, {})) {
      Process* alive = ProcessOf(index, instance);
      if (alive != nullptr) Give(index, *alive, event);
    }
  });
}

// ---- What a process does by itself -------------------------------------------------------------

void PairWorld::Give(int index, Process& process, const Event& event) {
  if (process.stopped) {
    process.backlog.push_back(event);
    return;
  }
  const uint64_t instance = process.instance;
  const Node& node = nodes_[static_cast<size_t>(index)];
  for (const Action& action : process.coordinator->Step(event, Local(node))) {
    log_.push_back(
        fmt::format("{} {} {}", absl::FormatDuration(now_), node.name, ha::Describe(action)));
    std::visit([&](const auto& what) { Do(index, process, what); }, action);
    if (ProcessOf(index, instance) == nullptr) return;
  }
}

void PairWorld::TellStorage(int index, Process& process, bool ok) {
  process.storage_told = ok;
  Give(index, process, event::StorageHealth{.ok = ok, .text = ok ? "" : "I/O error"});
}

void PairWorld::Look(int index) {
  Node& node = nodes_[static_cast<size_t>(index)];
  Process& process = *node.process;
  const bool ok = node.storage_ok;
  Event seen = event::NoLease{};
  if (!records_.empty()) {
    const auto& [epoch, record] = *records_.rbegin();
    const bool this_boot = record.node == index && record.boot == node.boot;
    seen = event::LeaseSeen{.began = Local(node),
                            .epoch = epoch,
                            .node = nodes_[static_cast<size_t>(record.node)].name,
                            .holder = record.instance == process.instance ? Holder::kThisProcess
                                      : this_boot                         ? Holder::kPredecessor
                                                                          : Holder::kOther,
                            .counter = record.counter,
                            .released = record.released,
                            .times = record.times.told};
  }
  const uint64_t instance = process.instance;
  AfterIn(index, Between(1, 30), [this, index, ok, seen, instance](Process& then) {
    if (ok != then.storage_told) TellStorage(index, then, ok);
    if (Process* alive = ProcessOf(index, instance); alive && ok) Give(index, *alive, seen);
    if (ProcessOf(index, instance) == nullptr) return;
    AfterIn(index, kPoll, [this, index](Process&) { Look(index); });
  });
}

void PairWorld::Beat(int index) {
  Node& node = nodes_[static_cast<size_t>(index)];
  const uint64_t instance = node.process->instance;
  const Coordinator& coordinator = *node.process->coordinator;
  Broadcast(index, event::Heartbeat{.node = node.name,
                                    .state = coordinator.state(),
                                    .epoch = coordinator.epoch(),
                                    .healthy = coordinator.healthy(),
                                    .eligible = coordinator.eligible()});
  Give(index, *node.process, event::Tick{});
  if (ProcessOf(index, instance) == nullptr) return;
  AfterIn(index, kPoll, [this, index](Process&) { Beat(index); });
}

// The write of a renewal takes its time; it counts from when it was issued.
void PairWorld::Renew(int index) {
  Process& process = *nodes_[static_cast<size_t>(index)].process;
  if (!process.lease) return;
  const uint64_t epoch = process.lease->epoch;
  const absl::Duration issued = now_;
  const absl::Duration takes = !healed_ && Chance(0.05) ? Between(500, 3500) : Between(1, 30);
  AfterIn(index, takes, [this, index, epoch, issued](Process& then) {
    if (!then.lease || then.lease->epoch != epoch) return;
    if (nodes_[static_cast<size_t>(index)].storage_ok && !then.lease->lost) {
      Record& record = records_.at(epoch);
      ++record.counter;
      record.changed = now_;
      then.lease->issued = issued;
    }
    AfterIn(index, kRenew, [this, index](Process&) { Renew(index); });
  });
}

// The kernel's timer, too: it does not care whether the process is stopped.
void PairWorld::Guard(int index) {
  Node& node = nodes_[static_cast<size_t>(index)];
  if (!node.process) return;
  Process& process = *node.process;
  const uint64_t instance = process.instance;
  if (process.lease) {
    const absl::Duration age = (now_ - process.lease->issued) * node.rate;
    if (age >= process.times.valid) return Kill(index);
    if (age >= process.times.stop && !process.lease->lost) {
      process.lease->lost = true;
      Give(index, process, event::OwnFault{.text = "the lease is lost", .can_seal = false});
    }
  }
  After(absl::Milliseconds(10), [this, index, instance] {
    if (ProcessOf(index, instance) != nullptr) Guard(index);
  });
}

void PairWorld::Send(int from, const std::string& to, const Event& event) {
  const int target = NodeNamed(to);
  if (cut_.contains({from, target}) || Chance(healed_ ? 0 : kLossOfMessages)) return;
  const absl::Duration takes = Chance(0.01) ? Between(50, 3000) : Between(0, 20);
  After(takes, [this, target, event] {
    Process* process = nodes_[static_cast<size_t>(target)].process.get();
    if (process != nullptr) Give(target, *process, event);
  });
}

void PairWorld::Broadcast(int from, const Event& event) {
  for (int to = 0; to < options_.nodes; ++to) {
    if (to != from) Send(from, nodes_[static_cast<size_t>(to)].name, event);
  }
}

// ---- Actions ----------------------------------------------------------------------------------

void PairWorld::Do(int index, Process&, const action::AskOwnerToStop& ask) {
  const std::string& name = nodes_[static_cast<size_t>(index)].name;
  Send(index, ask.node, event::StopAsked{.node = name, .epoch = ask.epoch});
}

void PairWorld::Do(int index, Process& process, const action::RunFence& fence) {
  CheckFence(index, process, fence.node);
  ++fences_;
  const bool works = !Chance(0.3);
  AfterIn(index, Between(100, 2000), [this, index, fence, works](Process& then) {
    if (works) PowerOff(NodeNamed(fence.node));
    Give(index, then, event::FenceEnded{.node = fence.node, .ok = works, .text = "no answer"});
  });
}

void PairWorld::Do(int index, Process& process, const action::Claim& claim) {
  CheckClaim(index, process, claim);
  ++claims_[claim.proof];
  const absl::Duration issued = now_;
  AfterIn(index, Between(1, 100), [this, index, claim, issued](Process& then) {
    LinkClaim(index, then, claim.epoch + 1, issued);
  });
}

void PairWorld::LinkClaim(int index, Process& process, uint64_t epoch, absl::Duration issued) {
  Node& node = nodes_[static_cast<size_t>(index)];
  const bool wins = node.storage_ok && !records_.contains(epoch);
  if (wins) {
    CheckNobodyWrites(epoch);
    records_[epoch] = {.node = index,
                       .instance = process.instance,
                       .boot = node.boot,
                       .changed = now_,
                       .times = process.times};
    process.lease = std::make_unique<Lease>(Lease{.epoch = epoch, .issued = issued});
    Renew(index);
  }
  AfterIn(index, Between(1, 100), [this, index, epoch, wins](Process& then) {
    Give(index, then,
         event::ClaimEnded{.ok = wins, .epoch = wins ? epoch : 0, .text = "somebody has it"});
  });
}

bool PairWorld::Release(int index, Process& process) {
  const bool ok = nodes_[static_cast<size_t>(index)].storage_ok && !process.lease->lost;
  if (ok) {
    Record& record = records_.at(process.lease->epoch);
    record.released = true;
    record.changed = now_;
  }
  process.lease.reset();
  return ok;
}

void PairWorld::Do(int index, Process&, const action::Recover&) {
  const bool fails = !healed_ && Chance(0.1);
  AfterIn(index, Between(10, 700), [this, index, fails](Process& then) {
    const bool ok = !fails && nodes_[static_cast<size_t>(index)].storage_ok;
    if (!ok) Release(index, then);
    Give(index, then, event::RecoveryEnded{.ok = ok, .text = "damaged"});
  });
}

void PairWorld::Do(int index, Process&, const action::Seal&) {
  if (!healed_ && Chance(0.1)) return;  // hangs
  const bool fails = !healed_ && Chance(0.1);
  AfterIn(index, Between(10, 500), [this, index, fails](Process& then) {
    const bool ok = !fails && Release(index, then);
    AfterIn(index, Between(0, 50), [this, index, ok](Process& later) {
      Give(index, later, event::SealEnded{.ok = ok, .text = "I/O error"});
    });
  });
}

void PairWorld::Do(int index, Process&, const action::OfferHandover& offer) {
  const std::string& name = nodes_[static_cast<size_t>(index)].name;
  Send(index, offer.to, event::HandoverOffered{.node = name, .epoch = offer.epoch});
}

void PairWorld::Do(int index, Process&, const action::AnswerStop& answer) {
  const std::string& name = nodes_[static_cast<size_t>(index)].name;
  Send(index, answer.to, event::StopAnswered{.node = name, .epoch = answer.epoch, .ok = answer.ok});
}

void PairWorld::Do(int, Process& process, const action::BecomeStandby&) {
  EXPECT_EQ(process.lease, nullptr) << "a standby with a lease" << Describe();
}

void PairWorld::Do(int index, Process&, const action::PublishCertificate& certificate) {
  const std::string& name = nodes_[static_cast<size_t>(index)].name;
  Broadcast(index, event::Certificate{.node = name, .epoch = certificate.epoch});
}

void PairWorld::Do(int, Process&, const action::RecordNote&) {}

void PairWorld::Do(int index, Process&, const action::EndProcess&) { Kill(index); }

// ---- What must hold ---------------------------------------------------------------------------

const PairWorld::Process* PairWorld::WriterOf(uint64_t epoch) const {
  for (const Node& node : nodes_) {
    if (node.process && node.process->lease && node.process->lease->epoch == epoch) {
      return node.process.get();
    }
  }
  return nullptr;
}

void PairWorld::CheckNobodyWrites(uint64_t before_epoch) {
  for (uint64_t epoch = 1; epoch < before_epoch; ++epoch) {
    EXPECT_EQ(WriterOf(epoch), nullptr)
        << "the owner of epoch " << epoch << " could still write" << Describe();
  }
}

void PairWorld::CheckClaim(int index, const Process& process, const action::Claim& claim) {
  EXPECT_TRUE(process.storage_told) << "a claim without storage" << Describe();
  // A view that is out of date loses the claim.
  if (records_.contains(claim.epoch + 1)) return;
  EXPECT_EQ(WriterOf(claim.epoch), nullptr) << "no proof holds" << Describe();
  if (claim.epoch == 0) {
    EXPECT_EQ(claim.proof, Proof::kNoneNeeded) << Describe();
    return;
  }
  const Record& record = records_.at(claim.epoch);
  const bool is_alive = ProcessOf(record.node, record.instance) != nullptr;
  const absl::Duration unchanged = now_ - record.changed;
  switch (claim.proof) {
    case Proof::kNoneNeeded:
      ADD_FAILURE() << "there was an owner" << Describe();
      break;
    case Proof::kHandover:
      EXPECT_TRUE(record.released || record.instance == process.instance) << Describe();
      break;
    case Proof::kCertificate:
      EXPECT_FALSE(is_alive) << Describe();
      break;
    case Proof::kFence:
    case Proof::kOperator:
      // It may have renewed just before the command took effect.
      EXPECT_FALSE(is_alive) << Describe();
      break;
    case Proof::kWatchdog:
      EXPECT_GE(unchanged, record.times.valid + record.times.told.watchdog) << Describe();
      break;
    case Proof::kLease:
      EXPECT_GE(unchanged, record.times.valid) << Describe();
      EXPECT_TRUE(options_.takeover != Takeover::kFencedOnly || record.node == index) << Describe();
      break;
  }
}

void PairWorld::CheckFence(int index, const Process& process, const std::string& target) {
  EXPECT_TRUE(process.storage_told) << "a fence without storage" << Describe();
  EXPECT_NE(NodeNamed(target), index) << Describe();
  const auto& [epoch, record] = *records_.rbegin();
  // Within the delay of a look somebody else may have become the owner.
  const absl::Duration unchanged = now_ - record.changed;
  if (record.node != NodeNamed(target)) return;
  const absl::Duration stale = record.times.told.stale_after;
  EXPECT_TRUE(unchanged >= 0.95 * stale || unchanged < absl::Milliseconds(200))
      << "fences an owner that renews" << Describe();
}

int PairWorld::owners() const {
  return static_cast<int>(std::count_if(nodes_.begin(), nodes_.end(), [](const Node& node) {
    return node.process && node.process->coordinator->state() == State::kOwner;
  }));
}

std::string PairWorld::Describe() const {
  std::string text = fmt::format("\nseed {} at {}\n", options_.seed, absl::FormatDuration(now_));
  const size_t first = log_.size() > 60 ? log_.size() - 60 : 0;
  for (size_t i = first; i < log_.size(); ++i) text += log_[i] + "\n";
  return text;
}

// ---- Faults -----------------------------------------------------------------------------------

void PairWorld::HurtSomething() {
  const int index = Pick(options_.nodes);
  Node& node = nodes_[static_cast<size_t>(index)];
  const int other = (index + 1 + Pick(options_.nodes - 1)) % options_.nodes;
  switch (Pick(9)) {
    case 0:
      return Kill(index);
    case 1:
      if (node.powered) PowerOff(index);
      return;
    case 2:
      return Stop(index, Between(100, 9000));
    case 3:
      node.storage_ok = false;
      return After(Between(300, 9000),
                   [this, index] { nodes_[static_cast<size_t>(index)].storage_ok = true; });
    case 4:
      cut_.insert({index, other});
      if (Chance(0.7)) cut_.insert({other, index});
      return After(Between(300, 15000), [this] { cut_.clear(); });
    case 5:
      if (!node.process) return;
      return Give(index, *node.process, event::OwnFault{.text = "fault", .can_seal = Chance(0.5)});
    case 6:
    case 7:
      if (!node.process) return;
      return Give(index, *node.process,
                  event::Handover{Chance(0.5) ? "" : nodes_[static_cast<size_t>(other)].name});
    default:
      if (!node.process) return;
      const bool dead =
          !records_.empty() && !nodes_[static_cast<size_t>(records_.rbegin()->second.node)].powered;
      return Give(index, *node.process,
                  event::OperatorTakeover{.epoch = records_.empty() ? 0 : records_.rbegin()->first,
                                          .owner_is_dead = dead});
  }
}

void PairWorld::Heal(int dead) {
  healed_ = true;
  cut_.clear();
  for (int i = 0; i < options_.nodes; ++i) {
    Node& node = nodes_[static_cast<size_t>(i)];
    node.storage_ok = true;
    if (node.process) node.process->stopped = false;
  }
  // The owner first.
  for (int i = 0; i < dead && !records_.empty(); ++i) {
    const int victim = (records_.rbegin()->second.node + i) % options_.nodes;
    Node& node = nodes_[static_cast<size_t>(victim)];
    node.stays_off = true;
    Kill(victim);
    node.powered = false;
  }
}

}  // namespace baton::ha
