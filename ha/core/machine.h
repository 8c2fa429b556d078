// The inside of a coordinator: what it knows, what it was asked, what it does. The table of its
// states is in transitions.cc.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ha/core/events.h"
#include "ha/core/facts.h"
#include "ha/core/options.h"

namespace baton::ha {

// An event changes what is known and asked for, nothing else. Then the first row of the table
// that applies is carried out, until none does. So it does not matter in which order messages
// come, or whether one comes early, late or twice.
class Machine {
 public:
  Machine(CoordinatorOptions options, absl::Duration now)
      : options_(std::move(options)), facts_(options_, now) {}
  Machine(const Machine&) = delete;

  std::vector<Action> Step(const Event& event, absl::Duration now);

  // The numbers of the rows that the last step has taken.
  const std::vector<size_t>& path() const { return path_; }
  static size_t rows();

  const Facts& facts() const { return facts_; }
  State state() const { return state_; }
  uint64_t epoch() const { return Owns() ? own_epoch_ : facts_.epoch(); }
  std::optional<Proof> proof() const { return proof_; }
  bool Healthy() const { return facts_.StorageOk() && !fault_; }
  bool Eligible() const;

 private:
  struct Row {
    State from;
    bool (Machine::*when)() const;
    State to;
    void (Machine::*then)();
  };
  static const Row kTable[];

  struct Seal {
    absl::Duration began;
    std::optional<event::SealEnded> ended;
  };

  template <typename Event>
  void Take(const Event& event) {
    facts_.Take(event);
  }
  void Take(const event::ClaimEnded& ended);
  void Take(const event::RecoveryEnded& ended);
  void Take(const event::SealEnded& ended);
  void Take(const event::OwnFault& fault);
  void Take(const event::Handover& handover);
  void Take(const event::StopAsked& asked);
  void Take(const event::Shutdown&);

  void FollowTable();
  const Row* FindRow() const;

  // Conditions of rows.
  bool MustEnd() const;  // of a standby
  bool MustEndAtOnce() const;
  bool IsDeposed() const;
  bool MustPublish() const;
  bool HasProof() const;
  bool IsSuspected() const;
  bool IsNotSuspected() const { return !IsSuspected(); }
  bool MayStop() const;
  bool MayNotStop() const { return !MayStop(); }
  bool MayAskAgain() const;
  bool MayFence() const;
  bool FenceIsVoid() const;
  bool FenceFailed() const { return facts_.FenceFailure() != nullptr; }
  bool Claimed() const { return claim_ && claim_->ok; }
  bool ClaimFailed() const { return claim_ && !claim_->ok; }
  bool Recovered() const { return recovery_ && recovery_->ok; }
  bool RecoveryFailed() const { return recovery_ && !recovery_->ok; }
  bool MustSeal() const;
  bool Sealed() const { return seal_.ended && seal_.ended->ok; }
  bool SealFailed() const;

  // Effects of rows.
  void End();
  void EndDeposed();
  void EndUnsealed();
  void Publish();
  void Suspect();
  void Trust();
  void Ask();
  void AskAgain();
  void Nothing() {}
  void StartFence();
  void DropFence();
  void GiveUpFence();
  void Claim();
  void DropClaim();
  void Recover();
  void DropRecovery();
  void Serve();
  void StartSeal();
  void GiveAway();

  bool Owns() const;
  bool IsStandby() const;
  std::string WhyNoHandover(const std::string& to) const;
  std::string SealReason() const;
  void Hold(absl::Duration time) { hold_until_ = facts_.now() + time; }
  void Do(Action action) { actions_.push_back(std::move(action)); }
  void Note(const char* kind, std::string text);

  // Alarms follow what is known: raised while there is a text.
  void SyncAlarms();
  std::optional<std::string> Cause(Alarm alarm) const;
  std::optional<std::string> OwnerSilentCause() const;
  std::optional<std::string> NoProofCause() const;

  const CoordinatorOptions options_;
  Facts facts_;
  State state_ = State::kFollower;
  std::vector<Action> actions_;
  std::vector<size_t> path_;
  std::vector<Alarm> alarms_;  // that are raised

  // Of this process.
  bool ended_ = false;
  bool shutdown_ = false;
  std::optional<event::OwnFault> fault_;
  std::optional<std::string> handover_;    // to whom it was asked for
  std::optional<std::string> stop_asker_;  // the peer that waits for an answer

  uint64_t own_epoch_ = 0;  // claimed last
  std::optional<Proof> proof_;
  uint64_t published_ = 0;  // the epoch of the last certificate of this node
  uint64_t known_epoch_ = 0;
  absl::Duration hold_until_ = -absl::InfiniteDuration();  // no claim before
  absl::Duration asked_;                                   // the owner, to stop
  std::optional<event::ClaimEnded> claim_;
  std::optional<event::RecoveryEnded> recovery_;
  std::optional<std::string> recovery_failure_;
  Seal seal_;
};

}  // namespace baton::ha
