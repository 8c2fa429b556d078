// Where the time of a host's request goes, as it is found out in passing.
#pragma once

#include <absl/time/time.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace baton {

enum class Spent : size_t {
  kOther,     // what nobody has claimed
  kQueued,    // read, and no thread that may serve was free
  kOwner,     // nobody served
  kLock,      // for a lock on a range or an extent, a gate, or a buffer
  kLog,       // to append to the write log, for its room, or until it was drained
  kPreserve,  // extents were copied first
  kStorage,   // plain reads, writes and syncs
  kPeer,      // the network and the node behind it
};
inline constexpr size_t kSpentKinds = 8;
inline const char* Name(Spent spent) {
  constexpr std::array<const char*, kSpentKinds> kNames = {"other", "queued",   "owner",   "lock",
                                                           "log",   "preserve", "storage", "peer"};
  return kNames[static_cast<size_t>(spent)];
}
template <typename Value>
using PerSpent = std::array<Value, kSpentKinds>;

// One thread notes, any thread may look meanwhile: what it sees of a request is of one or two
// moments. Stores are in their order, so that a reader notices that another request has begun.
class TimeSpent {
 public:
  // A request that came at `begin`, and was `queued` for so long before.
  void Begin(absl::Duration begin, absl::Duration queued) {
    for (std::atomic<int64_t>& ns : ns_) ns.store(0, std::memory_order_release);
    At(Spent::kQueued).store(absl::ToInt64Nanoseconds(queued), std::memory_order_release);
    since_ns_.store(absl::ToInt64Nanoseconds(begin), std::memory_order_release);
    now_.store(Spent::kOther, std::memory_order_release);
  }

  Spent now() const { return now_.load(std::memory_order_acquire); }
  // What comes is `next`; from the last call until `when` it was now(). Returns what that was.
  Spent Switch(Spent next, absl::Duration when) {
    const Spent before = now();
    const int64_t ns = absl::ToInt64Nanoseconds(when);
    const int64_t since = since_ns_.load(std::memory_order_acquire);
    At(before).store(At(before).load(std::memory_order_acquire) + ns - since,
                     std::memory_order_release);
    since_ns_.store(ns, std::memory_order_release);
    now_.store(next, std::memory_order_release);
    return before;
  }
  // It was `next` since the last Switch already.
  void Rename(Spent next) { now_.store(next, std::memory_order_release); }

  PerSpent<absl::Duration> Until(absl::Duration when) const {
    PerSpent<absl::Duration> spent;
    for (size_t i = 0; i < kSpentKinds; ++i) {
      spent[i] = absl::Nanoseconds(ns_[i].load(std::memory_order_acquire));
    }
    const int64_t since = since_ns_.load(std::memory_order_acquire);
    spent[static_cast<size_t>(now())] += when - absl::Nanoseconds(since);
    return spent;
  }

 private:
  std::atomic<int64_t>& At(Spent spent) { return ns_[static_cast<size_t>(spent)]; }

  PerSpent<std::atomic<int64_t>> ns_{};
  std::atomic<int64_t> since_ns_ = 0;
  std::atomic<Spent> now_ = Spent::kOther;
};

}  // namespace baton
