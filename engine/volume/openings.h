// How many host handles a volume has, and whether it may have more.
#pragma once

#include <atomic>
#include <cstdint>

namespace baton {

// A command that discards the content of a volume must know that no host has it open, and that none
// opens it before the volume is deleted or offline: it reserves the volume. Thread-safe, never
// waits.
class Openings {
 public:
  // False: reserved.
  bool Add() {
    int64_t count = count_.load(std::memory_order_relaxed);
    while (count != kReserved) {
      if (count_.compare_exchange_weak(count, count + 1)) return true;
    }
    return false;
  }
  void Drop() { --count_; }
  uint32_t count() const {
    const int64_t count = count_.load();
    return count == kReserved ? 0 : static_cast<uint32_t>(count);
  }

  // Nobody opens the volume while this lives.
  class Reservation {
   public:
    explicit Reservation(Openings& openings) : openings_(openings) {
      int64_t none = 0;
      holds_ = openings.count_.compare_exchange_strong(none, kReserved);
    }
    ~Reservation() { Release(); }
    Reservation(const Reservation&) = delete;
    Reservation& operator=(const Reservation&) = delete;

    // False: the volume is open, or reserved by somebody else.
    bool holds() const { return holds_; }
    // Nobody opens the volume any more, when this is gone either.
    void Keep() { holds_ = false; }
    void Release() {
      if (holds_) openings_.count_ = 0;
      holds_ = false;
    }

   private:
    Openings& openings_;
    bool holds_ = false;
  };

 private:
  static constexpr int64_t kReserved = -1;

  std::atomic<int64_t> count_ = 0;
};

}  // namespace baton
