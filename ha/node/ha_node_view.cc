// What a standby does between changes of owner: it follows the pool's metadata.
#include <spdlog/spdlog.h>

#include <utility>

#include "engine/base/status.h"
#include "ha/node/ha_node.h"

namespace baton::ha {
namespace {

constexpr absl::Duration kPollPeriod = absl::Milliseconds(100);
// A takeover of the usual kind is over by then, and its answers are better than the view's.
constexpr absl::Duration kAnswerFromViewAfter = absl::Seconds(1);
constexpr absl::Duration kSilence = absl::Seconds(1);

}  // namespace

bool HaNode::HearsWhoServes() const {
  if (routed_here_) return true;
  if (routed_to_ == nullptr) return false;
  absl::MutexLock lock(&mutex_);
  const auto peer = peers_.find(routed_to_->peer());
  return peer != peers_.end() && runtime_.BootTime() - peer->second.heard < kSilence;
}

// By the pair's thread.
void HaNode::UseViewIfUnserved() {
  if (HearsWhoServes()) {
    silent_since_.reset();
    unserved_ = false;
    options_.router.UseView(nullptr);
    return;
  }
  const absl::Duration now = runtime_.BootTime();
  if (!silent_since_) silent_since_ = now;
  if (now - *silent_since_ < kAnswerFromViewAfter || view() == nullptr) return;
  if (!unserved_) {
    spdlog::info("nobody serves the pool: names are answered from what is known here");
    view_volumes_->Begin(runtime_.WallTime());
  }
  unserved_ = true;
  options_.router.UseView(view_volumes_.get());
}

void HaNode::FollowOwner() {
  absl::MutexLock lock(&mutex_);
  while (!stopping_) {
    mutex_.Unlock();
    FollowOnce();
    mutex_.Lock();
    const absl::Duration next = runtime_.BootTime() + kPollPeriod;
    while (!stopping_ && runtime_.BootTime() < next) runtime_.WaitUntil(changed_, mutex_, next);
  }
}

void HaNode::FollowOnce() {
  bool is_owner = false;
  {
    absl::MutexLock lock(&mutex_);
    is_owner = status_.is_owner;
    if (is_owner) view_ = nullptr;
  }
  PosixStorage* const storage = watch_->storage();
  if (is_owner || storage == nullptr || !watch_->Health().ok()) return;
  const absl::Status polled = PollView(*storage);
  if (!polled.ok()) spdlog::debug("following the owner: {}", Message(polled));
}

absl::Status HaNode::PollView(PosixStorage& storage) {
  std::shared_ptr<StandbyView> known = view();
  if (known == nullptr) {
    BATON_ASSIGN_OR_RETURN(known, StandbyView::Open({.storage = storage,
                                                     .pool_directory = storage.directory(),
                                                     .runtime = runtime_}));
    absl::MutexLock lock(&mutex_);
    view_ = known;
    return absl::OkStatus();
  }
  std::optional<LeaseRecord> record;
  {
    absl::MutexLock lock(&mutex_);
    record = lease_;
  }
  if (record) known->NoteOwner(record->epoch, record->meta_sequence);
  return known->Poll();
}

std::shared_ptr<StandbyView> HaNode::view() const {
  absl::MutexLock lock(&mutex_);
  return view_;
}

}  // namespace baton::ha
