#include "ha/node/owner_client.h"

#include <algorithm>

#include "engine/base/status.h"
#include "ha/io/peer_call.h"

namespace baton::ha {
namespace {

// How long a command waits for an owner where there is none.
constexpr absl::Duration kOwnerPatience = absl::Seconds(10);
// Who asks is told what there is to tell so long before it gives up.
constexpr absl::Duration kAnswerMargin = absl::Seconds(1);
// An owner that had no answer because it is about to change is asked again after this long.
constexpr absl::Duration kOwnerAgain = absl::Milliseconds(20);

}  // namespace

absl::StatusOr<std::string> OwnerClient::Ask(const std::string& request, absl::Duration timeout) {
  const absl::Duration begun = runtime_.BootTime();
  const absl::Duration end = begun + std::max(timeout - kAnswerMargin, timeout / 2);
  const absl::Duration deadline = std::min(end, begun + kOwnerPatience);
  const auto serves = [](const OwnershipBoard::Content& content) {
    return content.ownership.serves;
  };
  while (true) {
    const Ownership now = board_.Await(deadline, serves).ownership;
    if (!now.serves) break;
    const absl::StatusOr<std::string> answer = AskNode(now.owner, request, end);
    // It has just given the epoch back, and nothing was done.
    if (!absl::IsAborted(answer.status()) || runtime_.BootTime() >= deadline) return answer;
    if (!stop_.Rest(kOwnerAgain)) return absl::UnavailableError("this controller is ending");
  }
  return absl::UnavailableError("no controller owns the pool at the moment: try again");
}

// This node may have become the owner while it waited.
absl::StatusOr<std::string> OwnerClient::AskNode(const std::string& owner,
                                                 const std::string& request, absl::Duration end) {
  if (owner == node_) return commands_.HandleAsOwner(owner, request);
  peer_api::Call call;
  call.set_control(request);
  BATON_ASSIGN_OR_RETURN(
      const peer_api::Answer answer,
      CallPeer(network_, owner, call, std::max(end - runtime_.BootTime(), kOwnerAgain)));
  return answer.control();
}

}  // namespace baton::ha
