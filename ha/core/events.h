// What a coordinator is told, and what it asks for. All of it is plain values.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "engine/base/proof.h"

namespace baton::ha {

// Each has its paragraph in transitions.cc, next to the table.
enum class State {
  kFollower,
  kSuspecting,
  kStopping,
  kFencing,
  kClaiming,
  kRecovering,
  kOwner,
  kDraining
};

enum class Takeover { kAuto, kFencedOnly, kManual };

enum class Alarm {
  kStorage,         // this node does not reach the pool's storage
  kOwnerSilent,     // no heartbeat of the owner, which goes on renewing its lease
  kNoProof,         // the owner is in trouble, and this node may not or cannot take over
  kFenceFailed,     // the fence command did not confirm
  kFenceUnready,    // it says that it could not turn off a peer that is well
  kTimesDiffer,     // a peer is set to other times than this node
  kRecoveryFailed,  // an epoch was claimed and could not be served
};

// Whose process wrote a lease record.
enum class Holder {
  kOther,
  kPredecessor,  // an earlier process of this node on this boot; dead, as the node lock is ours
  kThisProcess,
};

// "follower", "fenced-only", "no-proof", …
std::string Name(State state);
std::string Name(Takeover takeover);
std::string Name(Alarm alarm);

namespace event {

// Time passes. Send one every 100 ms or faster.
struct Tick {};

// By which an owner is judged. A standby counts them from when it saw the record change last.
struct OwnerTimes {
  absl::Duration stale_after = absl::Seconds(2);     // it is asked to stop, or fenced
  absl::Duration takeover_after = absl::Seconds(5);  // its lease has run out
  // And after how much longer its watchdog has reset its node; zero: it has none.
  absl::Duration watchdog;
};
// For how long its record has to be unchanged before another node may claim. Clocks differ by up to
// 1 %, both ways.
inline absl::Duration WaitForOthers(const OwnerTimes& owner) {
  return owner.takeover_after + owner.watchdog * 102 / 100;
}

// The newest lease record was read from storage, as it is every 100 ms, by an owner too. `began`:
// BootTime before the read.
struct LeaseSeen {
  absl::Duration began;
  uint64_t epoch = 0;
  std::string node;
  Holder holder = Holder::kOther;
  uint64_t counter = 0;
  bool released = false;
  std::optional<OwnerTimes> times =
      {};  // of the owner; nullopt: not known, so those of the options
};
// Likewise, and no epoch was ever claimed.
struct NoLease {};

// Of this node's own way to the pool. Not healthy until told.
struct StorageHealth {
  bool ok = false;
  std::string text;
};

// Of another node. `epoch`: the one that it owns, or else the newest that it knows.
struct Heartbeat {
  std::string node;
  State state = State::kFollower;
  uint64_t epoch = 0;
  bool healthy = false;   // its storage and, of an owner, its engine
  bool eligible = false;  // it may take over by itself: see Coordinator::eligible
  // Its times that are not this node's: a line for the operator; empty: none.
  std::string other_times = {};
};

// The process that owned `epoch` on `node` was reaped; told by a peer, a file or the keeper.
struct Certificate {
  std::string node;
  uint64_t epoch = 0;
};

// The owner's answer to AskOwnerToStop. ok: it has sealed `epoch` and released its lease.
struct StopAnswered {
  std::string node;
  uint64_t epoch = 0;
  bool ok = false;
};
// To the owner: another node asks it to stop (the other side of AskOwnerToStop).
struct StopAsked {
  std::string node;
  uint64_t epoch = 0;
};

// The fence command asked for by RunFence has ended; ok: it confirmed that the node is off.
struct FenceEnded {
  std::string node;
  bool ok = false;
  std::string text;
};

// The fence command was asked whether it could turn off a node that is well.
struct FenceMonitored {
  std::string node;
  bool ok = false;
  std::string text;
};

// What Claim asked for. `epoch`: the new one, if ok.
struct ClaimEnded {
  bool ok = false;
  uint64_t epoch = 0;
  std::string text;
};
struct RecoveryEnded {
  bool ok = false;
  std::string text;
};
struct SealEnded {
  bool ok = false;
  std::string text;
};

// This process cannot go on as owner. Not can_seal (the lease is lost, the metadata cannot be
// written): the process has to end at once.
struct OwnFault {
  std::string text;
  bool can_seal = false;
};

// An operator asks the owner to hand over; `to` empty: to whom it likes.
struct Handover {
  std::string to;
};
// To the node chosen: the owner of `epoch` has sealed and released it.
struct HandoverOffered {
  std::string node;
  uint64_t epoch = 0;
};

// An operator wants this node to take over from the owner of `epoch`; 0: no epoch was ever seen.
// owner_is_dead: and vouches that the owner's node is off; that is worth as much as the person's
// word. Ignored when a later epoch has been seen: that one has an owner whom nobody complains of.
struct OperatorTakeover {
  uint64_t epoch = 0;
  bool owner_is_dead = false;
};

// An orderly end of this process.
struct Shutdown {};

}  // namespace event

using Event =
    std::variant<event::Tick, event::LeaseSeen, event::NoLease, event::StorageHealth,
                 event::Heartbeat, event::Certificate, event::StopAnswered, event::StopAsked,
                 event::FenceEnded, event::FenceMonitored, event::ClaimEnded, event::RecoveryEnded,
                 event::SealEnded, event::OwnFault, event::Handover, event::HandoverOffered,
                 event::OperatorTakeover, event::Shutdown>;

namespace action {

// Send `node` StopAsked; StopAnswered if it answers. May be asked for again.
struct AskOwnerToStop {
  std::string node;
  uint64_t epoch = 0;
};
// Run the fence command now; FenceEnded follows in any case.
struct RunFence {
  std::string node;
};
// Claim the epoch after `epoch`, recorded with `proof`; ClaimEnded follows.
struct Claim {
  uint64_t epoch = 0;
  Proof proof = Proof::kNoneNeeded;
};
// Open the claimed epoch, resume its clones; RecoveryEnded follows. After a failure the epoch has
// been given back.
struct Recover {
  uint64_t epoch = 0;
};
// Let the held I/O flow.
struct Serve {
  uint64_t epoch = 0;
};
// Close the gate, drain, deregister the plugins, seal the metadata, release the lease; SealEnded
// follows.
struct Seal {
  std::string reason;
};
// The epoch is sealed and released. Send `to` HandoverOffered.
struct OfferHandover {
  std::string to;
  uint64_t epoch = 0;
};
// Send `to` StopAnswered, with the feedback if ok.
struct AnswerStop {
  std::string to;
  uint64_t epoch = 0;
  bool ok = false;
};
// Tell the operator why there is no handover.
struct RefuseHandover {
  std::string text;
};
// This process owns nothing any more and goes on as a standby.
struct BecomeStandby {};
// Tell all peers, and the file in lease/, that the process that owned `epoch` here was reaped.
struct PublishCertificate {
  uint64_t epoch = 0;
};
// Raised at most once until it is cleared.
struct RaiseAlarm {
  Alarm alarm = Alarm::kStorage;
  std::string text;
};
struct ClearAlarm {
  Alarm alarm = Alarm::kStorage;
};
// For the events of the pool; kept by the shell until there is an owner to record it.
struct RecordNote {
  std::string kind;
  std::string text;
};
// The last action ever. `reason` is empty for an orderly end; otherwise the process must end
// without waiting for anything.
struct EndProcess {
  std::string reason;
};

}  // namespace action

using Action =
    std::variant<action::AskOwnerToStop, action::RunFence, action::Claim, action::Recover,
                 action::Serve, action::Seal, action::OfferHandover, action::AnswerStop,
                 action::RefuseHandover, action::BecomeStandby, action::PublishCertificate,
                 action::RaiseAlarm, action::ClearAlarm, action::RecordNote, action::EndProcess>;

}  // namespace baton::ha
