// A pool and its nodes, simulated: clocks that run apart, messages that are late or lost, claims,
// seals and fences that take their time or fail, processes that are killed, stopped and started
// again, nodes that lose power or their storage. Each node runs a real Coordinator; the rest is
// the least that behaves like the real thing. Everything is decided by the seed.
//
// What must hold is checked at every claim and every fence; a violation fails the test.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "ha/core/coordinator.h"

namespace baton::ha {

struct WorldOptions {
  uint64_t seed = 0;
  int nodes = 2;
  Takeover takeover = Takeover::kAuto;
  bool fence = false;
  absl::Duration watchdog;
  // Each process is started with times of its own, as while the settings are being changed.
  bool times_differ = false;
};

class PairWorld {
 public:
  explicit PairWorld(const WorldOptions& options);
  ~PairWorld();

  void RunFor(absl::Duration time);

  // Faults and orders, drawn from the seed.
  void HurtSomething();
  // No fault from now on; what is broken is repaired, but for `dead` nodes that stay off.
  void Heal(int dead);

  // Live processes in state owner.
  int owners() const;
  uint64_t epochs() const { return static_cast<uint64_t>(records_.size()); }
  const std::map<Proof, int>& claims() const { return claims_; }
  int fences() const { return fences_; }
  std::string Describe() const;

 private:
  // By a process' settings. As lease_times.h.
  struct Times {
    absl::Duration stop = absl::Seconds(3);
    absl::Duration valid = absl::Seconds(4);
    event::OwnerTimes told;
  };
  struct Record {
    int node = 0;
    uint64_t instance = 0;
    uint64_t boot = 0;
    uint64_t counter = 1;
    bool released = false;
    absl::Duration changed;  // world time
    Times times;
  };
  struct Lease {
    uint64_t epoch = 0;
    absl::Duration issued;  // world time
    bool lost = false;
  };
  struct Process {
    uint64_t instance = 0;
    Times times;
    std::unique_ptr<Coordinator> coordinator;
    bool stopped = false;
    bool claiming = false;
    bool storage_told = false;  // what the coordinator was told last
    std::unique_ptr<Lease> lease;
    std::vector<Event> backlog;  // came while it was stopped
  };
  struct Node {
    std::string name;
    double rate = 1;
    absl::Duration offset;
    bool powered = true;
    bool stays_off = false;
    uint64_t boot = 1;
    bool storage_ok = true;
    std::unique_ptr<Process> process;
  };
  struct Timer {
    absl::Duration at;
    uint64_t order = 0;
    std::function<void()> body;
    bool operator<(const Timer& other) const {
      return std::tie(other.at, other.order) < std::tie(at, order);
    }
  };

  // Time and chance.
  void After(absl::Duration delay, std::function<void()> body);
  // Likewise, if that process is still alive then; later, if it is stopped then.
  void AfterIn(int node, absl::Duration delay, std::function<void(Process&)> body);
  absl::Duration Local(const Node& node) const { return now_ * node.rate + node.offset; }
  absl::Duration Between(double low_ms, double high_ms);
  bool Chance(double probability);
  int Pick(int count) { return static_cast<int>(random_() % static_cast<uint64_t>(count)); }

  // Processes.
  void Start(int node);
  void Kill(int node);
  void PowerOff(int node);
  void PowerOn(int node);
  void Stop(int node, absl::Duration time);
  Times DrawTimes();
  Process* ProcessOf(int node, uint64_t instance);
  int NodeNamed(const std::string& name) const;

  // What a process does by itself.
  void Look(int node);
  void Beat(int node);
  void Renew(int node);
  void Guard(int node);
  void Give(int node, Process& process, const Event& event);
  void TellStorage(int node, Process& process, bool ok);
  void Send(int from, const std::string& to, const Event& event);
  void Broadcast(int from, const Event& event);

  void Do(int, Process&, const action::AskOwnerToStop&);
  void Do(int, Process&, const action::RunFence&);
  void Do(int, Process&, const action::Claim&);
  void Do(int, Process&, const action::Recover&);
  void Do(int, Process&, const action::Serve&) {}
  void Do(int, Process&, const action::Seal&);
  void Do(int, Process&, const action::OfferHandover&);
  void Do(int, Process&, const action::AnswerStop&);
  void Do(int, Process&, const action::RefuseHandover&) {}
  void Do(int, Process&, const action::BecomeStandby&);
  void Do(int, Process&, const action::PublishCertificate&);
  void Do(int, Process&, const action::RaiseAlarm&) {}
  void Do(int, Process&, const action::ClearAlarm&) {}
  void Do(int, Process&, const action::RecordNote& note);
  void Do(int, Process&, const action::EndProcess&);
  void LinkClaim(int node, Process& process, uint64_t epoch, absl::Duration issued);
  bool Release(int node, Process& process);

  // What must hold.
  void CheckClaim(int node, const Process& process, const action::Claim& claim);
  void CheckNobodyWrites(uint64_t before_epoch);
  void CheckFence(int node, const Process& process, const std::string& target);
  const Process* WriterOf(uint64_t epoch) const;

  const WorldOptions options_;
  std::mt19937_64 random_;
  absl::Duration now_;
  uint64_t next_order_ = 0;
  uint64_t next_instance_ = 1;
  bool healed_ = false;
  std::priority_queue<Timer> timers_;
  std::vector<Node> nodes_;
  std::set<std::pair<int, int>> cut_;  // from, to
  std::map<uint64_t, Record> records_;
  std::map<Proof, int> claims_;
  int fences_ = 0;
  std::vector<std::string> log_;
};

}  // namespace baton::ha
