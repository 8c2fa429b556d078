// Takes events to the coordinator, and its orders to those who carry them out.
#pragma once

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <functional>
#include <optional>
#include <string>

#include "engine/base/runtime.h"
#include "engine/base/stop_signal.h"
#include "ha/core/coordinator.h"
#include "ha/node/alarm_list.h"
#include "ha/node/epoch_runner.h"
#include "ha/node/epoch_services.h"
#include "ha/node/fence_monitor.h"
#include "ha/node/fencing.h"
#include "ha/node/heartbeat_sender.h"
#include "ha/node/mount_routing.h"
#include "ha/node/opens_reporter.h"
#include "ha/node/ownership_board.h"
#include "ha/node/peer_handovers.h"
#include "ha/node/peer_table.h"
#include "ha/node/served_epoch.h"
#include "ha/node/storage_watch.h"
#include "ha/node/unserved_names.h"

namespace baton::ha {

// One thread. Waits for nothing but memory, and for a peer only to close what was open there.
class Conductor {
 public:
  struct Options {
    CoordinatorOptions coordinator;
    HeartbeatSender::Options heartbeat;
    // This process must end without waiting for anything. Takes note and returns.
    std::function<void(const absl::Status& why)> on_fault;
  };
  // Those who carry out orders, and what is looked at. All of them outlive this.
  struct Hands {
    EpochRunner& epochs;
    EpochServices& services;
    OwnerPeers& owner_peers;
    ServedEpoch& served_epoch;
    PeerHandovers& handovers;
    Fencing& fencing;
    FenceMonitor& fence_monitor;
    AlarmList& alarms;
    OwnershipBoard& board;
    OpensReporter& opens;
    UnservedNames& names;
    const PeerTable& peers;
    const StorageWatch& watch;
    StopSignal& ended;  // the orderly end is reached
  };

  Conductor(Runtime& runtime, Options options, MountRouting::Targets targets, PeerNetwork& network,
            Hands hands);

  void Step(const Event& event);
  // What is done again and again, after events and without.
  void Tick();

 private:
  void CheckStorage();
  void Follow();
  void Publish();
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

  Runtime& runtime_;
  const std::string node_;
  const std::function<void(const absl::Status& why)> on_fault_;
  const Hands hands_;
  Coordinator coordinator_;
  MountRouting routing_;
  HeartbeatSender heartbeats_;
  std::optional<absl::Status> told_storage_;  // what the coordinator knows of it
};

}  // namespace baton::ha
