// A place that is taken and left, for as long as somebody uses what is there.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

namespace baton {

// Holds at most one T, which is the caller's. Thread-safe.
template <typename T>
class Seat {
 public:
  // What was there when the use began; it stays until the use ends. False when nobody was.
  class Use {
   public:
    explicit Use(Seat& seat) : seat_(seat), occupant_(seat.Enter()) {}
    ~Use() {
      if (occupant_ != nullptr) seat_.Leave();
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

    explicit operator bool() const { return occupant_ != nullptr; }
    T* operator->() const { return occupant_; }
    T& operator*() const { return *occupant_; }

   private:
    Seat& seat_;
    T* const occupant_;
  };

  // REQUIRES: nobody is there.
  void Take(T& occupant) {
    absl::MutexLock lock(&mutex_);
    occupant_ = &occupant;
  }

  // Nobody finds the occupant from now on; returns when all uses have ended. Not from inside one.
  void Vacate() {
    absl::MutexLock lock(&mutex_);
    occupant_ = nullptr;
    while (uses_ > 0) unused_.Wait(&mutex_);
  }

 private:
  T* Enter() {
    absl::MutexLock lock(&mutex_);
    if (occupant_ != nullptr) ++uses_;
    return occupant_;
  }
  void Leave() {
    absl::MutexLock lock(&mutex_);
    if (--uses_ == 0) unused_.SignalAll();
  }

  absl::Mutex mutex_;
  absl::CondVar unused_;
  T* occupant_ ABSL_GUARDED_BY(mutex_) = nullptr;
  int uses_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace baton
