// The connecting end of forwarded host I/O.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engine/base/log_limiter.h"
#include "engine/base/runtime.h"
#include "engine/base/unique_fd.h"
#include "engine/base/wake_fd.h"
#include "ha/io/forward.h"
#include "ha/io/peer_address.h"
#include "ha/io/peer_connection.h"
#include "ha/io/peer_refusals.h"
#include "ha/io/peer_settings.h"
#include "ha/io/stream.h"
#include "ha/io/tls.h"

namespace baton::ha {

// Keeps a session at one peer while calls to it are possible: the session's key is asked for by a
// call, so the peer has proven there who it is, and so have we. A session has up to
// kStreamsPerPeer connections, each in a place of its own. Each is made by the first request that
// finds no other one free, and carries one request at a time, on the caller's thread, from and into
// the caller's buffer. One that fails is lost alone: it is made anew in its place, where the owner
// takes it when nothing of the lost one can take effect any more, and then the request that it had
// is sent again. When that fails, or none is left, the session is over, all its requests end, and
// another session is begun.
class ForwardStreams final : public ForwardClient {
 public:
  struct Options {
    std::string peer;
    bool insecure = false;
    // connected() has changed. On the session's thread.
    std::function<void(bool connected)> on_change;
  };

  // Has no address at first. `calls`: to the same peer. All references outlive it.
  static absl::StatusOr<std::unique_ptr<ForwardStreams>> Start(Runtime& runtime,
                                                               PeerRefusals& refusals,
                                                               PeerConnection& calls,
                                                               Options options);
  ~ForwardStreams() override;  // as Stop()
  ForwardStreams(const ForwardStreams&) = delete;
  ForwardStreams& operator=(const ForwardStreams&) = delete;

  // Where the peer takes forwarded I/O, with a number for its host; nullopt: nowhere, or calls to
  // it are not possible any more. What is in flight ends.
  void ConnectTo(const std::optional<PeerAddress>& address) ABSL_LOCKS_EXCLUDED(mutex_);
  // Every request ends with Unavailable, for good. Waits for the thread.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

  absl::Status Read(const ForwardScope& scope, uint64_t offset, MutableBytes out) override;
  absl::Status Write(const ForwardScope& scope, uint64_t offset, Bytes data) override;
  absl::Status Flush(const ForwardScope& scope) override;
  absl::Status Discard(const ForwardScope& scope, uint64_t offset, uint64_t length_bytes) override;
  bool connected() const override ABSL_LOCKS_EXCLUDED(mutex_);
  void Abort() override ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // A connection, or the place for one.
  struct Slot {
    std::unique_ptr<Stream> stream;  // made and used by whoever has taken the slot
    bool taken = false;
    bool hung_up = false;  // the peer has closed it
    uint64_t streams = 0;  // that were made
    uint64_t requests = 0;
  };
  enum class State { kNone, kBegun, kOpen };

  ForwardStreams(Runtime& runtime, PeerRefusals& refusals, PeerConnection& calls, Options options);

  // The thread's.
  void Loop();
  std::optional<PeerAddress> AwaitAddress() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Open(const PeerAddress& address) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<SessionKey> AskForSession();
  void AwaitEnd() ABSL_LOCKS_EXCLUDED(mutex_);
  void SeeHangUp(uint64_t watched) ABSL_LOCKS_EXCLUDED(mutex_);

  // The callers'.
  absl::Status Carry(WireHeader request, Bytes data, MutableBytes out) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Use(Slot& slot, WireHeader& request, Bytes data, MutableBytes out);
  std::optional<absl::Status> Ask(Slot& slot, WireHeader& request, Bytes data, MutableBytes out);
  std::optional<absl::Status> ReceiveAnswer(Stream& stream, const WireHeader& request,
                                            MutableBytes out);
  absl::StatusOr<Slot*> Take() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<Slot*> AwaitFree() ABSL_LOCKS_EXCLUDED(mutex_);
  Slot* FindFree() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void GiveBack(Slot& slot) ABSL_LOCKS_EXCLUDED(mutex_);
  void NoteExtraMade() ABSL_LOCKS_EXCLUDED(mutex_);
  void GiveBackUnmade(Slot& slot, const std::string& why) ABSL_LOCKS_EXCLUDED(mutex_);
  void Release(Slot& slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Connect(Slot& slot) ABSL_LOCKS_EXCLUDED(mutex_);
  bool Remake(Slot& slot) ABSL_LOCKS_EXCLUDED(mutex_);
  void Watch(const Slot& slot);
  // The slot has no connection any more; the last one ends the session.
  void Drop(Slot& slot, const std::string& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // The session is over; what the caller of a request of it is told.
  absl::Status Lose(const std::string& why) ABSL_LOCKS_EXCLUDED(mutex_);
  std::string NoSession() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void End(const std::string& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Runtime& runtime_;
  PeerRefusals& refusals_;
  PeerConnection& calls_;
  const Options options_;
  LogLimiter losses_;
  LogLimiter failures_;
  std::unique_ptr<TlsContext> tls_;  // null: plaintext
  WakeFd wake_;                      // the session has ended
  UniqueFd watch_;                   // of epoll: `wake_`, and connections that hang up

  mutable absl::Mutex mutex_;
  absl::CondVar changed_;     // for the thread
  absl::CondVar slot_freed_;  // or the session has ended
  std::optional<PeerAddress> address_ ABSL_GUARDED_BY(mutex_);
  SessionKey key_ ABSL_GUARDED_BY(mutex_);
  State state_ ABSL_GUARDED_BY(mutex_) = State::kNone;
  std::string why_none_ ABSL_GUARDED_BY(mutex_) = "not connected yet";
  // A new session is begun when the last slot of the earlier one was given back.
  std::array<Slot, kStreamsPerPeer> slots_;  // `taken` and `stream` change under the lock
  size_t taken_ ABSL_GUARDED_BY(mutex_) = 0;
  // A further connection is not tried before; zero: the last one that was tried was made.
  absl::Duration extra_at_ ABSL_GUARDED_BY(mutex_) = absl::ZeroDuration();
  absl::Duration retry_at_ ABSL_GUARDED_BY(mutex_) = absl::ZeroDuration();
  absl::Duration retry_delay_ ABSL_GUARDED_BY(mutex_) = kReconnectMin;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::unique_ptr<Thread> thread_;
};

}  // namespace baton::ha
