// Which extents are copied: one bit each, in memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "engine/clone/extents.h"

namespace baton {

// Lock-free; bits are only ever set. A thread that sees a bit set sees everything that was done
// before it was set.
class Bitmap {
 public:
  explicit Bitmap(uint64_t bits);

  bool Test(uint64_t bit) const {
    return (words_[bit / 64].load(std::memory_order_acquire) >> (bit % 64)) & 1;
  }
  bool AllSet(ExtentSpan span) const;
  void Set(ExtentSpan span);

  // The first clear (set) bit in [from, end), or end.
  uint64_t NextClear(uint64_t from, uint64_t end) const { return Next(from, end, 0); }
  uint64_t NextSet(uint64_t from, uint64_t end) const { return Next(from, end, ~uint64_t{0}); }

  uint64_t bits() const { return bits_; }
  uint64_t count() const { return count_.load(std::memory_order_relaxed); }

 private:
  // The first bit in [from, end) whose word, xored with `flip`, has it clear.
  uint64_t Next(uint64_t from, uint64_t end, uint64_t flip) const;

  const uint64_t bits_;
  struct Free {
    void operator()(std::atomic<uint64_t>* words) const { std::free(words); }
  };
  // Zeros that take memory once they are used: a large volume of which little is copied costs
  // little.
  const std::unique_ptr<std::atomic<uint64_t>[], Free> words_;
  std::atomic<uint64_t> count_{0};
};

}  // namespace baton
