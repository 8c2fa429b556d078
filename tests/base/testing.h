// Small helpers that every test of Baton may use.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "engine/base/bytes.h"

namespace baton {

inline absl::Status StatusOf(const absl::Status& status) { return status; }
template <typename T>
absl::Status StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

// The value, or the end of the test program: for what a test only needs and does not test.
template <typename T>
T Must(absl::StatusOr<T> result) {
  if (result.ok()) return *std::move(result);
  ADD_FAILURE() << result.status().ToString();
  std::abort();
}

inline std::vector<std::byte> BytesOf(const std::string& text) {
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}

// `size` bytes that differ from those of every other `tag` and from zero.
inline std::vector<std::byte> Pattern(size_t size, uint8_t tag) {
  std::vector<std::byte> data(size);
  for (size_t i = 0; i < size; ++i) {
    data[i] = std::byte{static_cast<uint8_t>(1 + (tag * 37 + i * 7 + i / 251) % 255)};
  }
  return data;
}

}  // namespace baton

#define EXPECT_OK(expression) EXPECT_EQ(::baton::StatusOf(expression), absl::OkStatus())
#define ASSERT_OK(expression) ASSERT_EQ(::baton::StatusOf(expression), absl::OkStatus())
#define EXPECT_CODE(expression, expected) \
  EXPECT_EQ(::baton::StatusOf(expression).code(), absl::StatusCode::expected)
