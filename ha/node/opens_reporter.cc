#include "ha/node/opens_reporter.h"

#include <utility>

#include "engine/base/status.h"
#include "ha/io/peer_call.h"

namespace baton::ha {
namespace {

constexpr absl::Duration kTellAgain = absl::Milliseconds(50);
constexpr absl::Duration kFreedPatience = absl::Seconds(2);

}  // namespace

void OpensReporter::Start() {
  thread_ = runtime_.StartThread("tell-opens", [this] { Run(); });
}

void OpensReporter::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    work_.stopping = true;
    changed_.SignalAll();
  }
  thread_.reset();
}

void OpensReporter::Wake() {
  absl::MutexLock lock(&mutex_);
  work_.woken = true;
  changed_.SignalAll();
}

void OpensReporter::TellAgain(const std::string& peer) {
  absl::MutexLock lock(&mutex_);
  work_.again.insert(peer);
  changed_.SignalAll();
}

void OpensReporter::TellLockFreed(uint64_t volume_id) {
  absl::MutexLock lock(&mutex_);
  work_.freed.insert(volume_id);
  changed_.SignalAll();
}

OpensReporter::Work OpensReporter::Next() {
  const absl::Duration until = runtime_.BootTime() + kTellAgain;
  absl::MutexLock lock(&mutex_);
  while (!work_.IsUrgent() && runtime_.BootTime() < until) {
    runtime_.WaitUntil(changed_, mutex_, until);
  }
  Work work = std::exchange(work_, {});
  work_.stopping = work.stopping;
  return work;
}

// A new owner, and one whose connection was lost, is told at once.
void OpensReporter::Run() {
  Work work;
  while (!work.stopping) {
    for (const std::string& peer : work.again) router_.TellAgain(*peers_.at(peer));
    router_.TellOpen();
    TellFreedLocks(work.freed);
    if (const absl::Status evicted = router_.evicted(); !evicted.ok()) return on_evicted_(evicted);
    work = Next();
  }
}

// Who is not told tries again by itself, later.
void OpensReporter::TellFreedLocks(const std::set<uint64_t>& volumes) {
  if (volumes.empty()) return;
  for (const auto& [peer, remote] : peers_) {
    if (!network_.connected(peer)) continue;
    for (const uint64_t volume_id : volumes) {
      peer_api::Call call;
      call.mutable_lock_freed()->set_id(volume_id);
      if (!CallPeer(network_, peer, call, kFreedPatience).ok()) break;
    }
  }
}

}  // namespace baton::ha
