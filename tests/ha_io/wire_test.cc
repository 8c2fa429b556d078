#include "ha/io/wire.h"

#include <gtest/gtest.h>

#include "tests/base/testing.h"

namespace baton::ha {
namespace {

constexpr WireHeader kSample{.kind = FrameKind::kWrite,
                             .number = 64,
                             .epoch = 5,
                             .volume_id = 7,
                             .offset = 0x1000,
                             .length_bytes = 0x200,
                             .code = 10};

TEST(WireTest, AHeaderIsTheseBytes) {
  const char golden[] =
      "BTAP\1\0\6\0\x40\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0"
      "\0\x10\0\0\0\0\0\0\0\2\0\0\0\0\0\0\x0a\0\0\0\0\0\0";
  EXPECT_EQ(EncodeHeader(kSample).text(), std::string(golden, sizeof(golden)));
}

TEST(WireTest, AHeaderIsReadBack) {
  const std::optional<WireHeader> read = DecodeHeader(EncodeHeader(kSample).bytes());
  ASSERT_TRUE(read);
  EXPECT_EQ(EncodeHeader(*read).text(), EncodeHeader(kSample).text());
}

TEST(WireTest, WhatIsNoHeaderIsRefused) {
  const std::string proper = EncodeHeader(kSample).text();
  const auto refused = [](const std::string& bytes) {
    return !DecodeHeader(std::as_bytes(std::span(bytes)));
  };
  EXPECT_TRUE(refused(""));
  EXPECT_TRUE(refused(proper.substr(1)));
  EXPECT_TRUE(refused(proper + "x"));
  // Magic, version, kind (none and one too many), reserved.
  for (const auto& [position, value] : {std::pair(0, 'X'), std::pair(4, '\2'), std::pair(6, '\0'),
                                        std::pair(6, '\x0c'), std::pair(52, '\1')}) {
    std::string wrong = proper;
    wrong[static_cast<size_t>(position)] = value;
    EXPECT_TRUE(refused(wrong)) << position;
  }
}

}  // namespace
}  // namespace baton::ha
