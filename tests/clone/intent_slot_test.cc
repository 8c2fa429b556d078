#include "engine/clone/intent_slot.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "tests/base/testing.h"

namespace baton {
namespace {

using Block = std::array<std::byte, limits::kBlockBytes>;

IntentSlot Sample() {
  IntentSlot slot{.epoch = 0x0102030405060708,
                  .run_id = 0x1112131415161718,
                  .sequence = 42,
                  .meta_sequence = 1000,
                  .span = {0x2122232425262728, 2},
                  .data_bytes = limits::kLogDataBytes,
                  .digests = {}};
  slot.digests[0].fill(std::byte{0xAA});
  slot.digests[1].fill(std::byte{0xBB});
  return slot;
}

std::string Hex(Bytes bytes) {
  std::string hex;
  for (const std::byte b : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    hex += kDigits[std::to_integer<int>(b) >> 4];
    hex += kDigits[std::to_integer<int>(b) & 15];
  }
  return hex;
}

Block Encoded(const IntentSlot& slot) {
  Block block;
  block.fill(std::byte{0xEE});
  EncodeSlot(slot, block);
  return block;
}

TEST(IntentSlot, WhatIsEncodedIsDecoded) {
  const IntentSlot slot = Sample();
  const absl::StatusOr<std::optional<IntentSlot>> found = DecodeSlot(Encoded(slot));
  ASSERT_OK(found);
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((*found)->epoch, slot.epoch);
  EXPECT_EQ((*found)->run_id, slot.run_id);
  EXPECT_EQ((*found)->sequence, slot.sequence);
  EXPECT_EQ((*found)->meta_sequence, slot.meta_sequence);
  EXPECT_EQ((*found)->span.first, slot.span.first);
  EXPECT_EQ((*found)->span.count, slot.span.count);
  EXPECT_EQ((*found)->data_bytes, slot.data_bytes);
  EXPECT_EQ((*found)->digests, slot.digests);
}

// A pool written by an older version must stay readable: these bytes never change.
TEST(IntentSlot, TheBytesOfFormat2) {
  const Block block = Encoded(Sample());
  const Bytes bytes(block);
  EXPECT_EQ(Hex(bytes.first(64)),
            "4241544f4e494e54"    // magic BATONINT
            "02000000"            // format 2
            "02000000"            // 2 extents
            "0807060504030201"    // epoch
            "1817161514131211"    // run id
            "2827262524232221"    // first extent
            "2a00000000000000"    // sequence
            "e803000000000000"    // metadata sequence
            "0000010000000000");  // 64 KiB of data
  EXPECT_EQ(Hex(bytes.subspan(64, 32)),
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
  EXPECT_EQ(Hex(bytes.subspan(96, 408)), std::string(2 * 408, '0'));
  EXPECT_EQ(Hex(bytes.subspan(504, 8)), "3aad456473c68b49") << "XXH3-64 of what stands before it";
  EXPECT_EQ(Hex(bytes.subspan(512)), std::string(2 * (4096 - 512), '0'));
}

// Format 1 has no data behind its slots: zero where format 2 says how much there is.
Block OfFormat1(uint64_t data_bytes, const std::vector<uint8_t>& checksum) {
  IntentSlot slot = Sample();
  slot.data_bytes = data_bytes;
  Block block = Encoded(slot);
  block[8] = std::byte{1};
  std::memcpy(&block[504], checksum.data(), checksum.size());
  return block;
}

TEST(IntentSlot, TheBytesOfFormat1AreRead) {
  const Block block = OfFormat1(0, {0xb5, 0x36, 0x3e, 0x73, 0x49, 0x2c, 0xdd, 0x44});
  const absl::StatusOr<std::optional<IntentSlot>> found = DecodeSlot(block);
  ASSERT_OK(found);
  EXPECT_EQ((*found)->span.first, Sample().span.first);
  EXPECT_EQ((*found)->meta_sequence, 1000u);
  EXPECT_EQ((*found)->digests, Sample().digests);
  EXPECT_EQ((*found)->data_bytes, 0u);
}

TEST(IntentSlot, MoreDataThanAnEntryHasRoomForIsGarbled) {
  IntentSlot slot = Sample();
  slot.data_bytes = limits::kLogDataBytes + 1;
  EXPECT_CODE(DecodeSlot(Encoded(slot)), kDataLoss);
}

TEST(IntentSlot, ABlockOfZerosWasNeverUsed) {
  const Block block{};
  const absl::StatusOr<std::optional<IntentSlot>> found = DecodeSlot(block);
  ASSERT_OK(found);
  EXPECT_FALSE(found->has_value());
}

TEST(IntentSlot, EveryBitThatFlipsIsNoticed) {
  for (Block block : {Encoded(Sample()), Block{}}) {
    for (size_t bit = 0; bit < kSlotBytes * 8; ++bit) {
      const std::byte mask{static_cast<uint8_t>(1 << (bit % 8))};
      block[bit / 8] ^= mask;
      EXPECT_CODE(DecodeSlot(block), kDataLoss) << "bit " << bit;
      block[bit / 8] ^= mask;
    }
  }
}

TEST(IntentSlot, ATornSectorIsNotBelieved) {
  const Block old_block = Encoded(Sample());
  IntentSlot next = Sample();
  next.sequence = 43;
  next.span.first = 7;
  const Block new_block = Encoded(next);
  for (size_t cut = 1; cut < kSlotBytes; ++cut) {
    Block torn = old_block;
    std::copy_n(new_block.begin(), cut, torn.begin());
    const absl::StatusOr<std::optional<IntentSlot>> found = DecodeSlot(torn);
    const bool is_whole = torn == old_block || torn == new_block;
    EXPECT_EQ(found.ok(), is_whole) << "cut at " << cut;
  }
}

TEST(IntentSlot, ACountThatNoCopyHasIsGarbled) {
  for (const uint64_t count : {uint64_t{0}, limits::kMaxExtentsPerCopy + 1}) {
    IntentSlot slot = Sample();
    slot.span.count = count;
    EXPECT_CODE(DecodeSlot(Encoded(slot)), kDataLoss) << count;
  }
}

}  // namespace
}  // namespace baton
