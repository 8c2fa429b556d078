#include "ha/node/operator_orders.h"

#include <algorithm>

namespace baton::ha {
namespace {

// How long a handover waits for its node to be heard: connections that broke are back after that.
constexpr absl::Duration kPeerPatience = absl::Seconds(3);
// How long a takeover waits for a first look at the lease.
constexpr absl::Duration kLookPatience = absl::Seconds(3);

}  // namespace

absl::StatusOr<Ownership> OperatorOrders::HandOver(const std::string& to, absl::Duration timeout) {
  const uint64_t before = board_.Read().epoch;
  const absl::Duration now = runtime_.BootTime();
  if (to.empty() || peers_.contains(to)) {
    table_.AwaitHealthy(to, now + std::min(timeout, kPeerPatience));
  }
  board_.ForgetRefusal();
  events_.Post(event::Handover{to});
  const auto is_done = [before](const OwnershipBoard::Content& content) {
    return content.ownership.serves && content.ownership.epoch > before;
  };
  const OwnershipBoard::Content after =
      board_.Await(now + timeout, [&is_done](const OwnershipBoard::Content& content) {
        return !content.refusal.empty() || is_done(content);
      });
  if (!after.refusal.empty()) return absl::FailedPreconditionError(after.refusal);
  if (!is_done(after)) {
    return absl::DeadlineExceededError("no other controller owns the pool yet; see `baton status`");
  }
  if (!after.ownership.is_owner) return after.ownership;
  return absl::FailedPreconditionError(
      "no other controller claimed the pool, so this one owns it again; see `baton status`");
}

absl::StatusOr<Ownership> OperatorOrders::TakeOver(uint64_t epoch, bool owner_is_dead,
                                                   absl::Duration timeout) {
  const absl::Duration now = runtime_.BootTime();
  const absl::Duration deadline = now + timeout;
  // A record that nobody here has seen before is of a new epoch, which ends an order.
  const OwnershipBoard::Content seen = board_.Await(
      now + std::min(timeout, kLookPatience),
      [](const OwnershipBoard::Content& content) { return content.ownership.epoch > 0; });
  const uint64_t before = epoch > 0 ? epoch : seen.ownership.epoch;
  events_.Post(event::OperatorTakeover{.epoch = before, .owner_is_dead = owner_is_dead});
  // A claim by any node ends the order.
  const auto is_done = [before](const OwnershipBoard::Content& content) {
    return content.ownership.is_owner ||
           (content.ownership.serves && content.ownership.epoch > before);
  };
  const OwnershipBoard::Content after = board_.Await(deadline, is_done);
  if (is_done(after)) return after.ownership;
  return absl::DeadlineExceededError(
      "this controller does not own the pool yet; see `baton status`");
}

}  // namespace baton::ha
