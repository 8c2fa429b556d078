#include "ha/node/view_follower.h"

#include <spdlog/spdlog.h>

#include <optional>
#include <utility>

#include "engine/base/status.h"

namespace baton::ha {
namespace {

constexpr absl::Duration kPollPeriod = absl::Milliseconds(100);

}  // namespace

void ViewFollower::Start() {
  thread_ = runtime_.StartThread("standby-view", [this] {
    do Follow();
    while (stop_.Rest(kPollPeriod));
  });
}

void ViewFollower::Stop() {
  stop_.Stop();
  thread_.reset();
}

void ViewFollower::Follow() {
  if (board_.Read().is_owner) return Keep(nullptr);
  PosixStorage* const storage = watch_.storage();
  if (storage == nullptr || !watch_.Health().ok()) return;
  const absl::Status polled = Poll(*storage);
  if (!polled.ok()) spdlog::debug("following the owner: {}", Message(polled));
}

absl::Status ViewFollower::Poll(PosixStorage& storage) {
  const std::shared_ptr<StandbyView> known = view();
  if (known == nullptr) {
    BATON_ASSIGN_OR_RETURN(
        std::unique_ptr<StandbyView> opened,
        StandbyView::Open(
            {.storage = storage, .pool_directory = storage.directory(), .runtime = runtime_}));
    Keep(std::move(opened));
    return absl::OkStatus();
  }
  if (const std::optional<LeaseRecord> record = lease_.Read()) {
    known->NoteOwner(record->epoch, record->meta_sequence);
  }
  return known->Poll();
}

// What was known goes outside of the lock: it may have much to close.
void ViewFollower::Keep(std::shared_ptr<StandbyView> view) {
  absl::MutexLock lock(&mutex_);
  view_.swap(view);
}

std::shared_ptr<StandbyView> ViewFollower::view() const {
  absl::MutexLock lock(&mutex_);
  return view_;
}

}  // namespace baton::ha
