// Heartbeats on PUB and SUB sockets.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/runtime.h"
#include "engine/base/wake_fd.h"
#include "ha/io/heartbeat_filter.h"
#include "ha/io/peer_refusals.h"
#include "ha/io/peer_socket.h"
#include "ha/io/strangers.h"

namespace baton::ha {

// Sends ours and receives those of the peers, whose ports become known when they welcome us.
// Every peer has a socket of its own, which knows its key: whose heartbeat it is needs no belief.
// Thread-safe.
class Heartbeats {
 public:
  using Handler = std::function<void(const Heartbeat&)>;

  // Listens at `address`. All references outlive it; `handler` is called on its thread.
  static absl::StatusOr<std::unique_ptr<Heartbeats>> Start(
      Runtime& runtime, PeerContext& context, const PeerIdentity& identity, PeerRefusals& refusals,
      const std::string& address, const std::vector<std::string>& peers, Handler handler);
  ~Heartbeats();
  Heartbeats(const Heartbeats&) = delete;
  Heartbeats& operator=(const Heartbeats&) = delete;

  const std::string& endpoint() const { return endpoint_; }
  // Listens to the peer there from now on, over a new connection.
  void Follow(const std::string& peer, const std::string& endpoint) ABSL_LOCKS_EXCLUDED(mutex_);
  // See PeerNetwork::Publish.
  void Publish(Heartbeat heartbeat) ABSL_LOCKS_EXCLUDED(publish_mutex_);

 private:
  struct Subscription {
    explicit Subscription(HeartbeatFilter filter) : filter(std::move(filter)) {}
    HeartbeatFilter filter;
    std::string endpoint;
    std::unique_ptr<ZmqSocket> socket;
    absl::Duration renew_at = absl::InfiniteDuration();
  };

  Heartbeats(Runtime& runtime, PeerContext& context, const PeerIdentity& identity,
             PeerRefusals& refusals, Handler handler)
      : runtime_(runtime),
        context_(context),
        identity_(identity),
        refusals_(refusals),
        handler_(std::move(handler)),
        strangers_(runtime) {}

  // The thread's.
  void Loop();
  void WaitForWork();
  void FollowNew() ABSL_LOCKS_EXCLUDED(mutex_);
  void SeeConnections();
  void Subscribe(const std::string& peer, Subscription& subscription);
  void ReceiveAll(const std::string& peer, Subscription& subscription);
  void Accept(const std::string& peer, Subscription& subscription, Bytes body);

  Runtime& runtime_;
  PeerContext& context_;
  const PeerIdentity& identity_;
  PeerRefusals& refusals_;
  const Handler handler_;
  std::string endpoint_;
  WakeFd wake_;
  std::atomic<bool> stopping_ = false;

  absl::Mutex publish_mutex_;
  // Its messages are sent under the mutex; its connection events are the thread's.
  std::unique_ptr<ZmqSocket> publisher_;
  uint64_t sequence_ ABSL_GUARDED_BY(publish_mutex_) = 0;

  absl::Mutex mutex_;
  std::map<std::string, std::string> new_endpoints_ ABSL_GUARDED_BY(mutex_);

  Strangers strangers_;  // the thread's
  std::map<std::string, Subscription> subscriptions_;
  std::unique_ptr<Thread> thread_;
};

}  // namespace baton::ha
