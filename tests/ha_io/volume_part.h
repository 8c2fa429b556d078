// A part of a volume that one thread changes through another controller, and a model of it.
#pragma once

#include <absl/time/clock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <random>
#include <vector>

#include "ha/io/forward.h"
#include "tests/base/testing.h"

namespace baton::ha {

constexpr ForwardScope kScope{.epoch = 1, .volume_id = 7};

// What one thread has written to its part of the volume, which no other thread touches.
class VolumePart {
 public:
  VolumePart(ForwardClient& client, uint64_t begin, uint64_t size_bytes, uint32_t seed)
      : client_(client), begin_(begin), model_(size_bytes), random_(seed) {}

  void Step() {
    const uint64_t offset = random_() % model_.size();
    const uint64_t length = std::min<uint64_t>(1 + random_() % 20000, model_.size() - offset);
    switch (random_() % 4) {
      case 0:
        return Compare(offset, length);
      case 1:
        std::fill_n(model_.begin() + static_cast<ptrdiff_t>(offset), length, std::byte{0});
        return Insist([&] { return client_.Discard(kScope, begin_ + offset, length); });
      default:
        for (uint64_t i = 0; i < length; ++i) {
          model_[offset + i] = static_cast<std::byte>(random_());
        }
        return Insist([&] {
          return client_.Write(kScope, begin_ + offset, Bytes(model_).subspan(offset, length));
        });
    }
  }
  void Compare(uint64_t offset, uint64_t length) {
    std::vector<std::byte> out(length);
    Insist([&] { return client_.Read(kScope, begin_ + offset, out); });
    if (!std::equal(out.begin(), out.end(), model_.begin() + static_cast<ptrdiff_t>(offset))) {
      ADD_FAILURE() << length << " bytes at " << begin_ + offset << " differ";
    }
  }
  const std::vector<std::byte>& model() const { return model_; }
  int repeated() const { return repeated_; }

 private:
  // As a router does: what got no answer is sent again.
  void Insist(const std::function<absl::Status()>& request) {
    while (true) {
      const absl::Status status = request();
      if (!absl::IsUnavailable(status)) {
        EXPECT_OK(status);
        return;
      }
      ++repeated_;
      absl::SleepFor(absl::Milliseconds(1));
    }
  }

  ForwardClient& client_;
  const uint64_t begin_;
  std::vector<std::byte> model_;
  std::minstd_rand random_;
  int repeated_ = 0;
};

}  // namespace baton::ha
