// The requests of one connection that are under way: where callers wait and the connection's
// thread finds what to send.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <array>
#include <string>
#include <vector>

#include "engine/base/runtime.h"
#include "engine/base/wake_fd.h"
#include "ha/io/peer_settings.h"
#include "ha/io/wire.h"
#include "ha/io/zmq_socket.h"

namespace baton::ha {

// A header and its second frame, which may be empty.
struct PeerMessage {
  WireHeader header;
  ZmqMessage body;
};

// At most kMaxInFlight at one time; who comes later waits for a place. Closed at first.
// Thread-safe.
class RequestTable {
 public:
  // `wake` is woken when there is something to take. Both outlive the table.
  RequestTable(Runtime& runtime, WakeFd& wake) : runtime_(runtime), wake_(wake) {}

  // The callers' side: sends the request (its number is drawn here) and waits for the answer.
  //   DeadlineExceeded  `deadline` (BootTime; InfiniteDuration: none) came first
  //   Unavailable       the table was closed, or is; the message is what Close was given. NotSent
  //   if
  //                     nobody had taken the request
  absl::StatusOr<PeerMessage> Exchange(PeerMessage request, absl::Duration deadline)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The connection's side.
  void Open() ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends all requests with `why`, and those that come until the table is opened again.
  void Close(const std::string& why) ABSL_LOCKS_EXCLUDED(mutex_);
  // Appends the requests that are not sent yet to `out`.
  void Take(std::vector<PeerMessage>& out) ABSL_LOCKS_EXCLUDED(mutex_);
  // Gives the answer to whoever waits for it; nobody does when it comes too late.
  void Complete(PeerMessage answer) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  enum class State { kFree, kQueued, kSent, kDone };
  struct Slot {
    State state = State::kFree;
    uint64_t number = 0;
    PeerMessage message;  // the request, then the answer
    bool lost = false;  // done without an answer: why_closed_ says why (or, by now, a later reason)
    bool taken = false;
    absl::CondVar done;
  };

  absl::StatusOr<Slot*> Claim(absl::Duration deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Slot* FindFree() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Slot& SlotOf(uint64_t number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Post(Slot& slot, PeerMessage request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<PeerMessage> Await(Slot& slot, absl::Duration deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Release(Slot& slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // False: the deadline has passed.
  bool WaitFor(absl::CondVar& condition, absl::Duration deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Runtime& runtime_;
  WakeFd& wake_;

  absl::Mutex mutex_;
  absl::CondVar slot_freed_;
  std::array<Slot, kMaxInFlight> slots_ ABSL_GUARDED_BY(mutex_);
  std::vector<uint64_t> queued_ ABSL_GUARDED_BY(mutex_);  // numbers, in the order of arrival
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
  std::string why_closed_ ABSL_GUARDED_BY(mutex_) = "not connected yet";
  uint64_t round_ ABSL_GUARDED_BY(mutex_) = 0;
  // The connection's thread was woken and has not taken since: one wake-up for many requests.
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace baton::ha
