// What peers say and ask, brought to those whom it concerns.
#pragma once

#include <absl/status/statusor.h>

#include <string>

#include "engine/lease/lease_times.h"
#include "ha/io/peer.pb.h"
#include "ha/io/peer_api.pb.h"
#include "ha/node/epoch_services.h"
#include "ha/node/event_queue.h"
#include "ha/node/node_evictions.h"
#include "ha/node/opens_reporter.h"
#include "ha/node/peer_handovers.h"
#include "ha/node/peer_table.h"
#include "ha/node/standby_commands.h"
#include "ha/volumes/served_volumes.h"

namespace baton::ha {

// Thread-safe.
class PeerInbox {
 public:
  struct Options {
    std::string node;  // this one
    OwnerTimes times;  // of this node
  };
  // All of them outlive this.
  struct Receivers {
    CommandTarget& commands;
    MountEvents& mount;
    ServedVolumes& served;
    NodeEvictions& evictions;
    StandbyCommands& standby;
    PeerHandovers& handovers;
    OpensReporter& opens;
    PeerTable& peers;
    EventQueue& events;
  };

  PeerInbox(Options options, Receivers receivers)
      : options_(std::move(options)), receivers_(receivers) {}

  // The encoded answer to a call of the peer.
  std::string Answer(const std::string& peer, const std::string& request);
  // Never wait.
  void Hear(const Heartbeat& heartbeat);
  void NoteConnected(const std::string& peer);

 private:
  absl::StatusOr<peer_api::Answer> Dispatch(const std::string& peer, const peer_api::Call& call);
  absl::StatusOr<peer_api::Answer> AnswerControl(const std::string& peer,
                                                 const std::string& request);

  const Options options_;
  const Receivers receivers_;
};

}  // namespace baton::ha
