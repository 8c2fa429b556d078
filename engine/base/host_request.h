// The request of a host that a thread carries out, as whoever must wait for others sees it.
#pragma once

#include <absl/time/time.h>

#include <algorithm>
#include <atomic>

#include "engine/base/runtime.h"
#include "engine/base/time_spent.h"

namespace baton {

// Calls of VolumeIo say nothing of who asked: a thread carries out one request at a time, and this
// is where that one is found. All is the thread's own, except `killed`, which others set, and
// `unserved` and `time_spent`, which others read.
class HostRequest {
 public:
  // Of this thread; null: what it does is not for a request of a host.
  static HostRequest* Current();

  // Makes `request` the one of this thread while it lives.
  class Scope {
   public:
    explicit Scope(HostRequest& request);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    HostRequest* const before_;
  };

  // The time while this lives goes to `what`, for the request of this thread, where it has one; but
  // what is spent on another thing within counts as that. Two looks at the clock.
  class Spending {
   public:
    Spending(const Runtime& runtime, Spent what);
    ~Spending();
    Spending(const Spending&) = delete;
    Spending& operator=(const Spending&) = delete;

   private:
    const Runtime& runtime_;
    HostRequest* const request_;
    const Spent before_;
  };

  // The request of this thread goes to storage: its time counts as that, from the end of the last
  // Spending to the begin of the next one, but within a Spending as what that says. So a request
  // that waits for nothing else needs no look at the clock.
  static void NoteStorage();

  // The request of this thread, where it has one, waits while this lives for somebody who serves.
  class ServiceWait {
   public:
    explicit ServiceWait(const Runtime& runtime);
    ~ServiceWait();
    ServiceWait(const ServiceWait&) = delete;
    ServiceWait& operator=(const ServiceWait&) = delete;

   private:
    HostRequest* const request_;
    const Spending spending_;
  };

  virtual ~HostRequest() = default;

  // Whoever asked is being killed, so that nobody will see the answer. Kept up to date from
  // NoteWait on; once true it stays so.
  virtual bool killed() const = 0;
  // The request waits, or goes on for long, and would end for one who is being killed. May be
  // called again and again. Never waits.
  virtual void NoteWait() = 0;

  // It waits for somebody who serves (ServiceWait).
  bool unserved() const { return unserved_.load(std::memory_order_relaxed); }
  // It has done so at some time.
  bool was_unserved() const { return was_unserved_; }

  // An attempt to change content that ended at `boot_time` may still take effect, though it had no
  // answer.
  void NoteUnanswered(absl::Duration boot_time) { unanswered_ = std::max(unanswered_, boot_time); }
  // When the last of them ended; -InfiniteDuration: there was none.
  absl::Duration last_unanswered() const { return unanswered_; }

  // Any thread may look.
  const TimeSpent& time_spent() const { return time_spent_; }

 protected:
  // Its time begins to be noted.
  void BeginTime(absl::Duration begin, absl::Duration queued) { time_spent_.Begin(begin, queued); }
  // The next request begins.
  void Renew() {
    unanswered_ = -absl::InfiniteDuration();
    was_unserved_ = false;
  }

 private:
  std::atomic<bool> unserved_ = false;
  bool was_unserved_ = false;
  absl::Duration unanswered_ = -absl::InfiniteDuration();
  TimeSpent time_spent_;
};

}  // namespace baton
