#include "ha/node/peer_commands.h"

#include <spdlog/spdlog.h>

#include "engine/base/status.h"
#include "ha/io/peer_call.h"
#include "ha/node/standby_commands.h"

namespace baton::ha {
namespace {

constexpr absl::Duration kTellPatience = absl::Seconds(2);

}  // namespace

absl::Status PeerCommands::Prepare(const std::string& source, const std::string& target,
                                   uint64_t size_bytes, bool degraded) {
  peer_api::Call call;
  call.mutable_prepare()->set_source(source);
  call.mutable_prepare()->set_target(target);
  call.mutable_prepare()->set_size_bytes(size_bytes);
  for (const std::string& peer : peers_) {
    const absl::Status status = CallPeer(network_, peer, call, kViewLag + kTellPatience).status();
    if (status.ok()) continue;
    // Aborted: it is ending.
    const bool is_down =
        absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsAborted(status);
    if (degraded && is_down) continue;
    return Error(is_down ? absl::StatusCode::kFailedPrecondition : status.code(),
                 "node {} {}: {}{}", peer, is_down ? "is down" : "refuses", Message(status),
                 is_down ? "; bring it back, or use --degraded" : "");
  }
  return absl::OkStatus();
}

void PeerCommands::TellActivated(const std::vector<uint64_t>& clones) {
  peer_api::Call call;
  call.mutable_activated()->mutable_ids()->Assign(clones.begin(), clones.end());
  for (const std::string& peer : peers_) {
    const absl::Status told = CallPeer(network_, peer, call, kViewLag + kTellPatience).status();
    if (!told.ok()) {
      spdlog::warn("node {} follows the clones when it can: {}", peer, Message(told));
    }
  }
}

void PeerCommands::TellContentChanged(uint64_t volume_id) {
  peer_api::Call call;
  call.mutable_content_changed()->set_id(volume_id);
  for (const std::string& peer : peers_) {
    // One that is down maps nothing.
    static_cast<void>(CallPeer(network_, peer, call, kTellPatience));
  }
}

}  // namespace baton::ha
