// A rate in bytes a second that may change at any time.
#pragma once

#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace baton {

// Work is done first and paid for afterwards: Spend moves the time at which the next piece may
// begin. Nothing is saved up while idle. Thread-safe.
class Throttle {
 public:
  explicit Throttle(uint64_t bytes_per_second) : bytes_per_second_(bytes_per_second) {}

  // 0: unlimited. A debt that was made at the old rate is forgiven.
  void SetRate(uint64_t bytes_per_second) {
    absl::MutexLock guard(&mutex_);
    bytes_per_second_ = bytes_per_second;
    next_ = absl::ZeroDuration();
  }

  // As SetRate, but a debt stays: it is paid at the new rate.
  void Adjust(absl::Duration now, uint64_t bytes_per_second) {
    absl::MutexLock guard(&mutex_);
    const uint64_t before = std::exchange(bytes_per_second_, bytes_per_second);
    if (bytes_per_second == 0 || before == 0) {
      next_ = absl::ZeroDuration();
    } else if (next_ > now) {
      const double ratio = static_cast<double>(before) / static_cast<double>(bytes_per_second);
      next_ = now + Whole((next_ - now) * ratio);
    }
  }

  void Spend(absl::Duration now, uint64_t bytes) {
    absl::MutexLock guard(&mutex_);
    if (bytes_per_second_ == 0) return;
    const double seconds = static_cast<double>(bytes) / static_cast<double>(bytes_per_second_);
    next_ = std::max(now, next_) + Whole(absl::Seconds(seconds));
  }

  // When the next piece may begin, on the clock that Spend was given.
  absl::Duration NextStart() const {
    absl::MutexLock guard(&mutex_);
    return next_;
  }

  // How much to do at once so that a low rate is not one long pause after another.
  uint64_t PieceBytes() const {
    absl::MutexLock guard(&mutex_);
    constexpr uint64_t kPiecesPerSecond = 8;
    return bytes_per_second_ == 0 ? UINT64_MAX : bytes_per_second_ / kPiecesPerSecond;
  }

 private:
  // In what clocks tell: a wait that ends a part of a nanosecond early would begin again at once.
  static absl::Duration Whole(absl::Duration duration) {
    return absl::Ceil(duration, absl::Nanoseconds(1));
  }

  mutable absl::Mutex mutex_;
  uint64_t bytes_per_second_ ABSL_GUARDED_BY(mutex_);
  absl::Duration next_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton
