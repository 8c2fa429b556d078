// The listening end of forwarded host I/O.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/runtime.h"
#include "engine/base/unique_fd.h"
#include "engine/base/wake_fd.h"
#include "ha/io/forward.h"
#include "ha/io/forward_sessions.h"
#include "ha/io/peer_address.h"
#include "ha/io/peer_refusals.h"
#include "ha/io/strangers.h"
#include "ha/io/stream.h"
#include "ha/io/tls.h"

namespace baton::ha {

// Gives what peers forward to the target. A peer begins a session by a call; whoever connects
// belongs to the session whose secret it knows (`insecure`: whose number it says). One thread takes
// connections; each that has proven itself has a thread and a buffer of its own, on which its
// requests are received, carried out and answered one after the other. Thread-safe.
class ForwardServer {
 public:
  // All references outlive it. FailedPrecondition: the address cannot be had.
  static absl::StatusOr<std::unique_ptr<ForwardServer>> Start(Runtime& runtime, bool insecure,
                                                              PeerRefusals& refusals,
                                                              ForwardTarget& target,
                                                              const PeerAddress& address);
  // Requests that the target has are finished.
  ~ForwardServer();
  ForwardServer(const ForwardServer&) = delete;
  ForwardServer& operator=(const ForwardServer&) = delete;

  uint16_t port() const { return port_; }
  // See ForwardSessions.
  absl::StatusOr<SessionKey> BeginSession(const std::string& peer) { return sessions_.Begin(peer); }
  bool EndSession(const std::string& peer, absl::Duration timeout) {
    return sessions_.End(peer, timeout);
  }

 private:
  // A connection that has not proven itself. Does not block.
  struct Newcomer {
    std::unique_ptr<Stream> stream;
    absl::Duration came;
    bool encrypted = false;  // the handshake is done, or there is none
    WireHeader join;
    size_t received = 0;  // of `join`
  };
  struct Member {
    std::unique_ptr<Stream> stream;
    ForwardSessions::Ticket ticket;
    std::atomic<bool> over = false;
    std::unique_ptr<Thread> thread;
  };
  enum class Progress { kMore, kJoined, kOver, kRefused };

  ForwardServer(Runtime& runtime, PeerRefusals& refusals, ForwardTarget& target)
      : runtime_(runtime),
        refusals_(refusals),
        target_(target),
        sessions_(runtime),
        strangers_(runtime) {}

  // The listening thread's.
  void Loop();
  std::vector<bool> Wait();
  void Accept();
  void Advance(const std::vector<bool>& readable);
  Progress Advance(Newcomer& newcomer);
  Progress ReceiveJoin(Newcomer& newcomer);
  Progress Join(Newcomer& newcomer);

  // A member's.
  void Serve(Member& member);
  void ServeAll(const Member& member);
  bool ServeOne(const Member& member, MutableBytes buffer);
  absl::Status CarryOut(const std::string& peer, const WireHeader& request, MutableBytes buffer);
  static bool SendError(Stream& stream, WireHeader header, const absl::Status& status);
  bool Refuse(const Member& member, const std::string& why);

  Runtime& runtime_;
  PeerRefusals& refusals_;
  ForwardTarget& target_;
  ForwardSessions sessions_;
  std::unique_ptr<TlsContext> tls_;  // null: plaintext
  UniqueFd listener_;
  uint16_t port_ = 0;
  WakeFd wake_;
  std::atomic<bool> stopping_ = false;

  Strangers strangers_;
  absl::Duration accept_at_ = absl::ZeroDuration();
  std::list<Newcomer> newcomers_;
  std::list<Member> members_;
  std::unique_ptr<Thread> loop_;
};

}  // namespace baton::ha
