// The connecting end of calls: one peer.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/log_limiter.h"
#include "engine/base/runtime.h"
#include "ha/io/peer.pb.h"
#include "ha/io/peer_address.h"
#include "ha/io/peer_refusals.h"
#include "ha/io/peer_socket.h"
#include "ha/io/request_table.h"

namespace baton::ha {

// Keeps a connection to the peer while there is an endpoint, and makes a new one, with a hello of
// its own, whenever one is lost or refused. What was sent over one connection is never sent or
// answered over another: each has a socket of its own. Thread-safe.
class PeerConnection {
 public:
  struct Options {
    std::string peer;
    // The address to connect to now, with a number for its host; nullopt: not known yet. Never
    // waits: ZeroMQ would look up a name on the thread that does all I/O.
    std::function<std::optional<PeerAddress>(const PeerAddress&)> resolve;
    // On the connection's thread, when requests are possible and after they have ended. `address`:
    // where the peer was found.
    std::function<void(const Welcome&, const PeerAddress& address)> on_made;
    std::function<void()> on_lost;
    // An attempt to make one has failed.
    std::function<void()> on_failed;
  };

  // Has no endpoint at first. All references outlive it.
  static absl::StatusOr<std::unique_ptr<PeerConnection>> Start(Runtime& runtime,
                                                               PeerContext& context,
                                                               const PeerIdentity& identity,
                                                               PeerRefusals& refusals,
                                                               Options options);
  ~PeerConnection();  // as Stop()
  PeerConnection(const PeerConnection&) = delete;
  PeerConnection& operator=(const PeerConnection&) = delete;

  // nullopt: nowhere. A connection to the same endpoint is kept.
  void ConnectTo(const std::optional<PeerAddress>& endpoint) ABSL_LOCKS_EXCLUDED(mutex_);

  // See RequestTable::Exchange; Unavailable when there is no connection, or no longer.
  absl::StatusOr<PeerMessage> Exchange(PeerMessage request, absl::Duration deadline) {
    return requests_.Exchange(std::move(request), deadline);
  }
  bool connected() const { return connected_; }
  // Why the last attempt was refused, by us or by the peer: another version, another pool. Empty:
  // it was not.
  std::string refusal() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends all requests with Unavailable and begins a new connection.
  void Restart();
  // The same for good; afterwards every request ends so. Waits for the thread.
  void Stop();

 private:
  PeerConnection(Runtime& runtime, PeerContext& context, const PeerIdentity& identity,
                 PeerRefusals& refusals, Options options);

  // What follows is the thread's.
  void Loop();
  void WaitForWork();
  absl::Duration NextTimeout() const;
  void Advance();
  void Begin();
  std::optional<std::string> SeeEvents();
  std::optional<std::string> SendHello();
  std::optional<std::string> ReceiveAll();
  std::optional<std::string> Accept(PeerMessage message);
  std::optional<std::string> AcceptWelcome(const PeerMessage& message);
  std::optional<std::string> SendRequests();
  void Drop(const std::string& why);
  void NoteRefusal(const std::string& text) ABSL_LOCKS_EXCLUDED(mutex_);
  std::optional<PeerAddress> endpoint() ABSL_LOCKS_EXCLUDED(mutex_);

  Runtime& runtime_;
  PeerContext& context_;
  const PeerIdentity& identity_;
  PeerRefusals& refusals_;
  const Options options_;
  LogLimiter losses_;
  LogLimiter failures_;
  WakeFd wake_;
  RequestTable requests_;

  mutable absl::Mutex mutex_;
  std::optional<PeerAddress> endpoint_ ABSL_GUARDED_BY(mutex_);
  std::string refusal_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> restart_ = false;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> connected_ = false;

  std::unique_ptr<ZmqSocket> socket_;  // null: waiting for retry_at_
  PeerAddress dialed_;                 // by socket_
  bool hello_due_ = false;
  absl::Duration retry_at_ = absl::ZeroDuration();
  absl::Duration give_up_at_ = absl::InfiniteDuration();
  absl::Duration retry_delay_;
  std::vector<PeerMessage> outgoing_;

  std::unique_ptr<Thread> thread_;
};

}  // namespace baton::ha
