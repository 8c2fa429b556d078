// The table of the state machine: which state follows which, and when.
#include <algorithm>

#include "ha/core/machine.h"

namespace baton::ha {

// Rows of a state are tried from the top; the first one whose condition holds is taken.
//
// In the first four states this node owns nothing: it is a standby. It claims as soon as there is
// a proof, whatever else it was about to do. A standby whose own storage does not answer only
// follows: it cannot tell a silent owner from a deaf self.
const Machine::Row Machine::kTable[] = {
    // follower. All is well, or it is not this node's to judge. Also the state after a start, and
    // after ownership was given away. A pool that is free (never owned, released, or left by a
    // predecessor of this process) is claimed from here.
    {State::kFollower, &Machine::MustEnd, State::kFollower, &Machine::End},
    {State::kFollower, &Machine::MustPublish, State::kFollower, &Machine::Publish},
    {State::kFollower, &Machine::HasProof, State::kClaiming, &Machine::Claim},
    {State::kFollower, &Machine::IsSuspected, State::kSuspecting, &Machine::Suspect},

    // suspecting. The owner is not heard, or says that it is not well, or does not renew its
    // lease, or an operator wants this node to take over. Nothing is done to the owner: while the
    // lease is renewed its silence is a cut between the nodes, and nobody takes over.
    {State::kSuspecting, &Machine::MustEnd, State::kFollower, &Machine::End},
    {State::kSuspecting, &Machine::HasProof, State::kClaiming, &Machine::Claim},
    {State::kSuspecting, &Machine::IsNotSuspected, State::kFollower, &Machine::Trust},
    {State::kSuspecting, &Machine::MayStop, State::kStopping, &Machine::Ask},

    // stopping. The owner is asked to stop and to answer with the feedback, again and again: its
    // answer is the best proof there can be. Meanwhile the lease runs out.
    {State::kStopping, &Machine::MustEnd, State::kFollower, &Machine::End},
    {State::kStopping, &Machine::HasProof, State::kClaiming, &Machine::Claim},
    {State::kStopping, &Machine::MayNotStop, State::kSuspecting, &Machine::Nothing},
    {State::kStopping, &Machine::MayFence, State::kFencing, &Machine::StartFence},
    {State::kStopping, &Machine::MayAskAgain, State::kStopping, &Machine::AskAgain},

    // fencing. The fence command runs. A lease that is renewed meanwhile makes what the command
    // will say worthless: the owner was alive after it had been started. Then all begins anew,
    // and a second fence command is run, if it comes to that, after the first one has ended.
    {State::kFencing, &Machine::MustEnd, State::kFollower, &Machine::End},
    {State::kFencing, &Machine::FenceIsVoid, State::kFollower, &Machine::DropFence},
    {State::kFencing, &Machine::HasProof, State::kClaiming, &Machine::Claim},
    {State::kFencing, &Machine::FenceFailed, State::kStopping, &Machine::GiveUpFence},

    // claiming. The claim is under way and cannot be called back; storage decides who wins. The
    // loser follows the winner. After any failure the next attempt needs a proof that holds then.
    {State::kClaiming, &Machine::MustEndAtOnce, State::kClaiming, &Machine::End},
    {State::kClaiming, &Machine::Claimed, State::kRecovering, &Machine::Recover},
    {State::kClaiming, &Machine::ClaimFailed, State::kFollower, &Machine::DropClaim},

    // recovering. The epoch is this node's; its engine is being opened. If that fails the epoch is
    // given back, and this node leaves the next attempt to others for a while.
    {State::kRecovering, &Machine::MustEndAtOnce, State::kRecovering, &Machine::End},
    {State::kRecovering, &Machine::IsDeposed, State::kRecovering, &Machine::EndDeposed},
    {State::kRecovering, &Machine::Recovered, State::kOwner, &Machine::Serve},
    {State::kRecovering, &Machine::RecoveryFailed, State::kFollower, &Machine::DropRecovery},

    // owner. Serves, until it is asked to hand over or to stop, or finds a fault. An epoch beyond
    // its own, claimed by somebody else, means that it was taken for dead: it ends without
    // touching anything. Silent peers do not matter to it.
    {State::kOwner, &Machine::MustEndAtOnce, State::kOwner, &Machine::End},
    {State::kOwner, &Machine::IsDeposed, State::kOwner, &Machine::EndDeposed},
    {State::kOwner, &Machine::MustSeal, State::kDraining, &Machine::StartSeal},

    // draining. The gate is closed, what is in flight ends, the epoch is sealed and released. From
    // then on somebody else may claim, even before this node has heard that its seal is done: a
    // newer epoch is no alarm here. A seal that fails or takes too long ends the process.
    {State::kDraining, &Machine::MustEndAtOnce, State::kDraining, &Machine::End},
    {State::kDraining, &Machine::Sealed, State::kFollower, &Machine::GiveAway},
    {State::kDraining, &Machine::SealFailed, State::kDraining, &Machine::EndUnsealed},
};

const Machine::Row* Machine::FindRow() const {
  for (const Row& row : kTable) {
    if (row.from == state_ && (this->*row.when)()) return &row;
  }
  return nullptr;
}

size_t Machine::rows() { return std::size(kTable); }

void Machine::FollowTable() {
  while (!ended_) {
    const Row* row = FindRow();
    if (row == nullptr) return;
    path_.push_back(static_cast<size_t>(row - kTable));
    state_ = row->to;
    (this->*row->then)();
  }
}

}  // namespace baton::ha
