#include "engine/write_log/log_format.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <vector>

#include "engine/base/checksum.h"
#include "tests/base/testing.h"

namespace baton {
namespace {

constexpr uint64_t kNonce = 0x1122334455667788;
constexpr size_t kBlockSize = limits::kBlockBytes;

using Block = std::array<std::byte, kBlockSize>;

LogWrite Sample() {
  return {.volume_id = 3,
          .offset = 5 * kBlockSize,
          .length_bytes = 2 * kBlockSize,
          .sequence = 77,
          .block = 1234};
}

// The entry as it stands in the file.
std::vector<std::byte> Encoded(const LogWrite& write, uint64_t nonce = kNonce) {
  std::vector<std::byte> entry(kBlockSize);
  const std::vector<std::byte> data = Pattern(write.length_bytes, 1);
  entry.insert(entry.end(), data.begin(), data.end());
  EncodeLogWrite(write, data, nonce, MutableBytes(entry).first(kBlockSize));
  return entry;
}

// Of two entries, as it stands in the file.
std::vector<std::byte> EncodedList() {
  LogWrite second = Sample();
  second.sequence = 78;
  std::vector<std::byte> blocks(2 * kBlockSize);
  EncodeSegmentList({.segment = 5, .first_sequence = 70, .writes = {Sample(), second}}, kNonce,
                    blocks);
  return blocks;
}

TEST(LogFormat, AnEntryIsFoundWhereItWasWritten) {
  const std::optional<LogWrite> found = DecodeLogWrite(Encoded(Sample()), 1234, kNonce);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->volume_id, 3u);
  EXPECT_EQ(found->offset, 5 * kBlockSize);
  EXPECT_EQ(found->length_bytes, 2 * kBlockSize);
  EXPECT_EQ(found->sequence, 77u);
  EXPECT_EQ(found->block, 1234u);
}

TEST(LogFormat, NothingElseIsAnEntry) {
  const std::vector<std::byte> entry = Encoded(Sample());
  EXPECT_FALSE(DecodeLogWrite(entry, 1233, kNonce)) << "it was written elsewhere";
  EXPECT_FALSE(DecodeLogWrite(entry, 1234, kNonce + 1)) << "it is of another log";
  EXPECT_FALSE(DecodeLogWrite(Bytes(entry).first(2 * kBlockSize), 1234, kNonce)) << "it is cut";
  EXPECT_FALSE(DecodeLogWrite(std::vector<std::byte>(kBlockSize), 1234, kNonce));
}

TEST(LogFormat, EveryChangedByteOfAnEntryIsNoticed) {
  for (size_t at = 0; at < 3 * kBlockSize; at += at < 512 ? 1 : 97) {
    std::vector<std::byte> entry = Encoded(Sample());
    if (at >= 512 && at < kBlockSize) continue;  // zero, and nobody looks
    entry[at] ^= std::byte{0x10};
    EXPECT_FALSE(DecodeLogWrite(entry, 1234, kNonce)) << at;
  }
}

// The checksums of the bytes on storage: they stay what they are within a format.
TEST(LogFormat, BytesDoNotChange) {
  Block block;
  EncodeLogHeader({.nonce = kNonce, .epoch = 9, .shape = {.segments = 64, .segment_blocks = 1024}},
                  block);
  EXPECT_EQ(Checksum64(block), 7012308963182760890u);
  EncodeSegmentRecord({.segment = 5, .first_sequence = 6, .meta_sequence = 7}, kNonce, block);
  EXPECT_EQ(Checksum64(block), 6831916220609991325u);
  EXPECT_EQ(Checksum64(Encoded(Sample())), 2001507461831040003u);
  EXPECT_EQ(Checksum64(EncodedList()), 10485370824815173108u);
}

TEST(LogFormat, AHeaderIsReadBack) {
  Block block;
  EncodeLogHeader({.nonce = kNonce, .epoch = 9, .shape = {.segments = 3, .segment_blocks = 8}},
                  block);
  const WriteLogHeader header = Must(DecodeLogHeader(block));
  EXPECT_EQ(header.nonce, kNonce);
  EXPECT_EQ(header.epoch, 9u);
  EXPECT_EQ(header.shape.segments, 3u);
  EXPECT_EQ(header.shape.segment_blocks, 8u);
  block[40] ^= std::byte{1};
  EXPECT_CODE(DecodeLogHeader(block), kDataLoss);
}

TEST(LogFormat, AHeaderOfANewerFormatIsNotTakenForAGarbledOne) {
  Block block;
  EncodeLogHeader({.nonce = kNonce, .epoch = 9, .shape = {}}, block);
  block[8] = std::byte{2};
  const uint64_t checksum = SeededChecksum64(Bytes(block).first(504), 0);
  std::memcpy(block.data() + 504, &checksum, sizeof(checksum));
  EXPECT_CODE(DecodeLogHeader(block), kFailedPrecondition);
}

TEST(LogFormat, ARecordIsReadBackOrMissingOrGarbled) {
  Block block{};
  EXPECT_FALSE(Must(DecodeSegmentRecord(block, kNonce, 5)).has_value());
  EncodeSegmentRecord({.segment = 5, .first_sequence = 6, .meta_sequence = 7}, kNonce, block);
  const std::optional<SegmentRecord> record = Must(DecodeSegmentRecord(block, kNonce, 5));
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->first_sequence, 6u);
  EXPECT_EQ(record->meta_sequence, 7u);
  EXPECT_CODE(DecodeSegmentRecord(block, kNonce, 4), kDataLoss) << "of another segment";
  EXPECT_CODE(DecodeSegmentRecord(block, kNonce + 1, 5), kDataLoss) << "of another log";
}

TEST(LogFormat, AListIsReadBackOrThereIsNone) {
  std::vector<std::byte> blocks = EncodedList();
  const std::optional<SegmentList> list = DecodeSegmentList(blocks, kNonce);
  ASSERT_TRUE(list.has_value());
  EXPECT_EQ(list->segment, 5u);
  EXPECT_EQ(list->first_sequence, 70u);
  ASSERT_EQ(list->writes.size(), 2u);
  EXPECT_EQ(Encoded(list->writes[0]), Encoded(Sample()));
  EXPECT_EQ(list->writes[1].sequence, 78u);
  EXPECT_FALSE(DecodeSegmentList(blocks, kNonce + 1)) << "it is of another log";
  EXPECT_FALSE(DecodeSegmentList(std::vector<std::byte>(kBlockSize), kNonce));
  for (size_t at = 0; at < 32 + 2 * 40 + 8; ++at) {
    blocks[at] ^= std::byte{0x10};
    EXPECT_FALSE(DecodeSegmentList(blocks, kNonce)) << at;
    blocks[at] ^= std::byte{0x10};
  }
}

TEST(LogFormat, AListOfAFullSegmentFits) {
  const WriteLogShape shape;
  SegmentList list;
  list.writes.resize(shape.segment_blocks / 2, Sample());
  std::vector<std::byte> blocks(shape.list_blocks() * kBlockSize);
  EncodeSegmentList(list, kNonce, blocks);
  EXPECT_EQ(DecodeSegmentList(blocks, kNonce)->writes.size(), list.writes.size());
}

}  // namespace
}  // namespace baton
