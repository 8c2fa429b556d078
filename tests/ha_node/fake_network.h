// The talk between controllers, as a test wants it.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ha/io/peer_api.pb.h"
#include "ha/io/peer_network.h"

namespace baton::ha {

// Notes what is asked. Answers by `answer`, or with Unavailable. Of one thread (or fiber) at a
// time.
class FakeNetwork final : public PeerNetwork {
 public:
  struct Asked {
    std::string peer;
    peer_api::Call call;
  };
  std::function<absl::StatusOr<peer_api::Answer>(const Asked& asked)> answer;
  std::set<std::string> connected_peers;
  std::vector<Asked> calls;
  std::vector<Heartbeat> heartbeats;
  bool ends_forwarded = true;
  std::function<void()> while_forwarded_ends;  // may be empty

  std::string endpoint() const override { return ""; }
  void Publish(Heartbeat heartbeat) override { heartbeats.push_back(std::move(heartbeat)); }
  absl::StatusOr<std::string> Call(const std::string& peer, const std::string& request,
                                   absl::Duration) override {
    Asked asked{.peer = peer, .call = {}};
    asked.call.ParseFromString(request);
    calls.push_back(asked);
    if (!answer) return absl::UnavailableError("not connected");
    const absl::StatusOr<peer_api::Answer> given = answer(asked);
    if (!given.ok()) return given.status();
    return given->SerializeAsString();
  }
  void EndCalls() override { answer = {}; }
  bool EndForwarded(const std::string&, absl::Duration) override {
    if (while_forwarded_ends) std::exchange(while_forwarded_ends, nullptr)();
    return ends_forwarded;
  }
  void Isolate(absl::Duration) override {}
  ForwardClient* forward(const std::string&) override { return nullptr; }
  bool connected(const std::string& peer) const override { return connected_peers.contains(peer); }
  std::string Trouble(const std::string&) const override { return ""; }
  std::vector<std::string> peers() const override { return {}; }
  PeerCounters counters() const override { return {}; }
};

}  // namespace baton::ha
