#include "engine/clone/bitmap.h"

#include <algorithm>
#include <bit>
#include <new>

namespace baton {
namespace {

// The bits of word `word` that lie in `span`.
uint64_t Mask(uint64_t word, ExtentSpan span) {
  const uint64_t begin = std::max(span.first, word * 64) - word * 64;
  const uint64_t end = std::min(span.end(), (word + 1) * 64) - word * 64;
  const uint64_t below_end = end == 64 ? ~uint64_t{0} : (uint64_t{1} << end) - 1;
  return below_end & ~((uint64_t{1} << begin) - 1);
}

static_assert(std::atomic<uint64_t>::is_always_lock_free);
static_assert(sizeof(std::atomic<uint64_t>) == sizeof(uint64_t));

std::atomic<uint64_t>* AllocateZeros(uint64_t words) {
  void* memory = std::calloc(std::max<uint64_t>(words, 1), sizeof(uint64_t));
  if (memory == nullptr) throw std::bad_alloc();
  return static_cast<std::atomic<uint64_t>*>(memory);
}

}  // namespace

Bitmap::Bitmap(uint64_t bits) : bits_(bits), words_(AllocateZeros((bits + 63) / 64)) {}

bool Bitmap::AllSet(ExtentSpan span) const {
  return NextClear(span.first, span.end()) == span.end();
}

void Bitmap::Set(ExtentSpan span) {
  if (span.count == 0) return;
  for (uint64_t word = span.first / 64; word <= (span.end() - 1) / 64; ++word) {
    const uint64_t mask = Mask(word, span);
    const uint64_t before = words_[word].fetch_or(mask, std::memory_order_acq_rel);
    count_.fetch_add(std::popcount(mask & ~before), std::memory_order_relaxed);
  }
}

uint64_t Bitmap::Next(uint64_t from, uint64_t end, uint64_t flip) const {
  while (from < end) {
    const uint64_t word = words_[from / 64].load(std::memory_order_acquire) ^ flip;
    const uint64_t clear = ~word & ~((uint64_t{1} << (from % 64)) - 1);
    if (clear != 0) return std::min(end, from / 64 * 64 + std::countr_zero(clear));
    from = (from / 64 + 1) * 64;
  }
  return end;
}

}  // namespace baton
