#include "ha/core/proof_rules.h"

namespace baton::ha {
namespace {

// An orderly end: the record says so on storage, or the owner has told this node.
bool IsSealed(const Facts& facts) {
  // A standby's own record: its process gave the epoch back, whatever storage says of it.
  return facts.Released() || facts.SealedForThisNode() || facts.OwnerIs(Holder::kThisProcess);
}

// Who goes first where everybody may: the chosen node, the node that had the pool, the others in
// the order of their names. A wrong guess costs a lost claim, no more.
bool IsTurnAfterHandover(const Facts& facts, const CoordinatorOptions& options) {
  if (facts.SealedForThisNode() || facts.OwnerIsThisNode()) return true;
  if (!MayPursue(facts, options)) return false;
  const absl::Duration wait = options.offer_grace + facts.Rank() * options.stagger;
  return facts.now() - facts.lease()->first_seen >= wait;
}

// Others are hurt least when a healthy peer goes on and the node that failed comes back as a
// standby. So a restarted owner first lets a peer claim.
bool IsTurnAfterOwnDeath(const Facts& facts, const CoordinatorOptions& options) {
  if (options.peers.empty()) return true;
  const absl::Duration waited = facts.now() - facts.lease()->epoch_seen;
  return waited >= (facts.HearsEligiblePeer() ? options.peer_claims : options.hear_peer);
}

bool CertificateProves(const Facts& facts, const CoordinatorOptions& options) {
  if (!facts.Certified() || !options.certificate_counts) return false;
  if (facts.OwnerIsThisNode()) return IsTurnAfterOwnDeath(facts, options);
  return MayPursue(facts, options);
}

// Whether a lease that has run out is enough.
bool LeaseIsEnough(const Facts& facts, const CoordinatorOptions& options) {
  const bool fenced_only = options.takeover == Takeover::kFencedOnly;
  if (facts.OwnerIsThisNode()) {
    // The kernel that could hold a write back: of an earlier boot, it is gone, as after a fence.
    return !fenced_only || !facts.OwnerIs(Holder::kPredecessor);
  }
  if (fenced_only || facts.times().watchdog > absl::ZeroDuration()) return false;
  if (WantsFence(facts, options) && facts.FenceFailure() == nullptr) return false;
  return MayPursue(facts, options);
}

std::optional<Proof> TimeProof(const Facts& facts, const CoordinatorOptions& options) {
  if (facts.Unchanged() < WaitForTime(facts)) return std::nullopt;
  if (LeaseIsEnough(facts, options)) return Proof::kLease;
  const bool resets = facts.times().watchdog > absl::ZeroDuration() && !facts.OwnerIsThisNode();
  if (resets && MayPursue(facts, options)) return Proof::kWatchdog;
  return std::nullopt;
}

std::optional<Proof> FreePool(const Facts& facts, const CoordinatorOptions& options) {
  const std::optional<absl::Duration> since = facts.no_lease_since();
  const bool is_turn = since && facts.now() - *since >= facts.Rank() * options.stagger;
  return is_turn ? std::optional(Proof::kNoneNeeded) : std::nullopt;
}

}  // namespace

bool MayPursue(const Facts& facts, const CoordinatorOptions& options) {
  return options.takeover != Takeover::kManual || facts.Ordered();
}

bool WantsFence(const Facts& facts, const CoordinatorOptions& options) {
  // A stranger may be a node whose name was changed, and which the agent knows.
  if (!options.has_fence || facts.OwnerIsThisNode() || facts.Released()) return false;
  if (facts.OwnerIsDrain()) return false;
  // Where the process is known to be dead, auto does not turn a node off for what may be left in
  // its kernel: programs run there.
  return options.takeover == Takeover::kFencedOnly || !facts.Certified();
}

absl::Duration WaitForTime(const Facts& facts) {
  const event::OwnerTimes& owner = facts.times();
  return facts.OwnerIsThisNode() ? owner.takeover_after : WaitForOthers(owner);
}

std::optional<Proof> FindProof(const Facts& facts, const CoordinatorOptions& options) {
  if (facts.lease() == nullptr) return FreePool(facts, options);
  if (IsSealed(facts)) {
    const bool is_turn = IsTurnAfterHandover(facts, options);
    return is_turn ? std::optional(Proof::kHandover) : std::nullopt;
  }
  if (CertificateProves(facts, options)) return Proof::kCertificate;
  if (facts.FenceConfirmed() && facts.Stale()) return Proof::kFence;
  if (facts.OrderSaysDead() && facts.Stale()) return Proof::kOperator;
  return TimeProof(facts, options);
}

}  // namespace baton::ha
