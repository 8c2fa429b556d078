#include "ha/node/opens_gate.h"

#include "engine/base/status.h"

namespace baton::ha {
namespace {

// Less than a command of `baton` waits for its answer.
constexpr absl::Duration kOpensPatience = absl::Seconds(8);
// After so long without a heartbeat `degraded` takes a node for gone: as long as a lease runs.
constexpr absl::Duration kSilent = absl::Seconds(5);
constexpr absl::Duration kLookAgain = absl::Milliseconds(10);

}  // namespace

// One that was never heard has been silent since the epoch began.
bool OpensGate::IsSilent(const std::string& peer) const {
  absl::Duration silence = sources_.peers.SilenceOf(peer);
  if (silence == absl::InfiniteDuration()) {
    silence = runtime_.BootTime() - sources_.epoch.facts().since;
  }
  return silence > kSilent;
}

// Its death was the proof of the takeover, and it is not back.
bool OpensGate::IsOff(const std::string& peer) const {
  return peer == sources_.epoch.facts().off_node && !sources_.peers.HearsLately(peer);
}

std::string OpensGate::Missing(bool degraded) const {
  if (!sources_.router.HasTold(sources_.local)) return nodes_.self;
  for (const std::string& peer : nodes_.peers) {
    const bool counts = !(degraded && IsSilent(peer)) && !IsOff(peer);
    if (counts && !sources_.served.HasTold(peer)) return peer;
  }
  return "";
}

// By the word of an operator they have nothing open.
void OpensGate::ForgetSilent() {
  for (const std::string& peer : nodes_.peers) {
    if (IsSilent(peer)) sources_.served.Forget(peer);
  }
}

absl::Status OpensGate::Await(bool degraded) {
  const absl::Duration deadline = runtime_.BootTime() + kOpensPatience;
  while (true) {
    const std::string node = Missing(degraded);
    if (node.empty()) {
      if (degraded) ForgetSilent();
      return absl::OkStatus();
    }
    if (runtime_.BootTime() >= deadline) {
      return Error(absl::StatusCode::kFailedPrecondition,
                   "node {} has not told what its programs have open: bring it back, or, if it is "
                   "off, use --degraded",
                   node);
    }
    if (!sources_.epoch.Rest(kLookAgain)) {
      return absl::AbortedError("the epoch of this controller ends");
    }
  }
}

}  // namespace baton::ha
