// What is open where: told to a new owner, and awaited by one.
#include <set>
#include <string>

#include "engine/base/status.h"
#include "ha/node/ha_node.h"

namespace baton::ha {
namespace {

// Less than a command of `baton` waits for its answer.
constexpr absl::Duration kOpensPatience = absl::Seconds(8);
// After so long without a heartbeat `degraded` takes a node for gone: as long as a lease runs.
constexpr absl::Duration kSilent = absl::Seconds(5);
constexpr absl::Duration kTellAgain = absl::Milliseconds(100);
constexpr absl::Duration kLookAgain = absl::Milliseconds(10);

}  // namespace

void HaNode::NoteConnected(const std::string& peer) {
  absl::MutexLock lock(&mutex_);
  connected_anew_.insert(peer);
  changed_.SignalAll();
}

// A new owner, and one whose connection was lost, is told at once.
void HaNode::TellOpens() {
  while (true) {
    std::set<std::string> connected;
    std::set<uint64_t> freed;
    {
      absl::MutexLock lock(&mutex_);
      if (stopping_) return;
      connected.swap(connected_anew_);
      freed.swap(freed_locks_);
    }
    for (const std::string& peer : connected) options_.router.TellAgain(*remotes_.at(peer));
    options_.router.TellOpen();
    TellFreedLocks(freed);
    if (EndIfEvicted()) return;
    absl::MutexLock lock(&mutex_);
    if (stopping_ || !connected_anew_.empty() || !freed_locks_.empty()) continue;
    runtime_.WaitUntil(changed_, mutex_, runtime_.BootTime() + kTellAgain);
  }
}

bool HaNode::IsSilent(const std::string& peer) const {
  absl::MutexLock lock(&mutex_);
  const auto seen = peers_.find(peer);
  const absl::Duration heard = seen == peers_.end() ? served_since_ : seen->second.heard;
  return runtime_.BootTime() - heard > kSilent;
}

// Its death was the proof of the takeover, and it is not back.
bool HaNode::IsOff(const std::string& peer) const {
  absl::MutexLock lock(&mutex_);
  const auto seen = peers_.find(peer);
  return peer == gone_ && (seen == peers_.end() || !HeardLately(seen->second));
}

std::string HaNode::NodeOfUnknownOpens(bool degraded) const {
  if (!options_.router.HasTold(options_.local)) return options_.identity.node;
  for (const auto& [peer, volumes] : remotes_) {
    const bool counts = !(degraded && IsSilent(peer)) && !IsOff(peer);
    if (counts && !served_.HasTold(peer)) return peer;
  }
  return "";
}

// By the word of an operator they have nothing open.
void HaNode::ForgetSilent() {
  for (const auto& [peer, volumes] : remotes_) {
    if (IsSilent(peer)) served_.Forget(peer);
  }
}

absl::Status HaNode::AwaitOpens(bool degraded) {
  const absl::Duration deadline = runtime_.BootTime() + kOpensPatience;
  while (true) {
    const std::string node = NodeOfUnknownOpens(degraded);
    if (node.empty()) {
      if (degraded) ForgetSilent();
      return absl::OkStatus();
    }
    absl::MutexLock lock(&mutex_);
    if (runtime_.BootTime() >= deadline) {
      return Error(absl::StatusCode::kFailedPrecondition,
                   "node {} has not told what its programs have open: bring it back, or, if it is "
                   "off, use --degraded",
                   node);
    }
    if (stopping_ || sealing_) return absl::AbortedError("the epoch of this controller ends");
    runtime_.WaitUntil(changed_, mutex_, runtime_.BootTime() + kLookAgain);
  }
}

}  // namespace baton::ha
