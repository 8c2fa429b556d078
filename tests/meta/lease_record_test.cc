#include "engine/lease/lease_record.h"

#include <cstring>
#include <vector>

#include "engine/base/checksum.h"
#include "tests/base/testing.h"

namespace baton {
namespace {

using testing::HasSubstr;

LeaseRecord Sample() {
  return {.epoch = 7,
          .counter = 0x0102030405060708,
          .meta_sequence = 99,
          .released = true,
          .node = "node-a",
          .boot_id = "0f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0",
          .instance = "11111111-2222-4333-8444-555555555555"};
}

std::vector<std::byte> Encoded(const LeaseRecord& record) {
  std::vector<std::byte> bytes(kLeaseRecordBytes, std::byte{0xee});
  EXPECT_OK(EncodeLeaseRecord(record, bytes));
  return bytes;
}

void Place(const std::string& text, size_t offset, std::vector<std::byte>& bytes) {
  std::memcpy(bytes.data() + offset, text.data(), text.size());
}

LeaseRecord SampleWithTimes() {
  LeaseRecord record = Sample();
  record.times = {.renew = absl::Microseconds(1),
                  .stop = absl::Microseconds(0x0203),
                  .valid = absl::Seconds(4),
                  .takeover = absl::Seconds(5),
                  .watchdog = absl::Seconds(6)};
  return record;
}

// Format 1, byte for byte, as a program wrote it that did not tell its times. Records of this
// format are on storage: this never changes.
std::vector<std::byte> GoldenSample() {
  std::vector<std::byte> bytes(4096);
  Place(std::string("BATONLSE\1\0\0\0\1\0\0\0", 16), 0, bytes);
  Place(std::string("\7\0\0\0\0\0\0\0", 8), 16, bytes);
  Place("\x08\x07\x06\x05\x04\x03\x02\x01", 24, bytes);
  Place("\x63", 32, bytes);
  Place("node-a", 40, bytes);
  Place("0f1e2d3c-4b5a-4978-8796-a5b4c3d2e1f0", 104, bytes);
  Place("11111111-2222-4333-8444-555555555555", 144, bytes);
  Place("\xd6\x79\x64\x3d\x22\x4e\xc1\xa8", 504, bytes);
  return bytes;
}

std::vector<std::byte> GoldenSampleWithTimes() {
  std::vector<std::byte> bytes = GoldenSample();
  Place("\x01", 184, bytes);
  Place("\x03\x02", 192, bytes);
  Place(std::string("\x00\x09\x3d", 3), 200, bytes);
  Place("\x40\x4b\x4c", 208, bytes);
  Place("\x80\x8d\x5b", 216, bytes);
  Place("\x3a\x52\x98\xc8\xcb\x6c\x4b\x94", 504, bytes);
  return bytes;
}

TEST(LeaseRecordTest, TimesAreWrittenAsTheGoldenSample) {
  EXPECT_EQ(Encoded(SampleWithTimes()), GoldenSampleWithTimes());
  EXPECT_EQ(Must(DecodeLeaseRecord(GoldenSampleWithTimes(), "lease/epoch-7")), SampleWithTimes());
}

TEST(LeaseRecordTest, IsWrittenAsTheGoldenSample) { EXPECT_EQ(Encoded(Sample()), GoldenSample()); }

TEST(LeaseRecordTest, TheGoldenSampleIsRead) {
  EXPECT_EQ(Must(DecodeLeaseRecord(GoldenSample(), "lease/epoch-7")), Sample());
}

TEST(LeaseRecordTest, EveryFlippedByteIsDetectedAndTheFileNamed) {
  for (size_t offset = 0; offset < kLeaseRecordBytes; ++offset) {
    for (const uint8_t flip : {0x01, 0x80, 0xff}) {
      std::vector<std::byte> bytes = GoldenSample();
      bytes[offset] ^= std::byte{flip};
      const absl::Status status = DecodeLeaseRecord(bytes, "lease/epoch-7").status();
      ASSERT_EQ(status.code(), absl::StatusCode::kDataLoss) << offset;
      ASSERT_THAT(std::string(status.message()), HasSubstr("lease/epoch-7"));
    }
  }
}

TEST(LeaseRecordTest, AnotherLengthIsGarbled) {
  const std::vector<std::byte> bytes = GoldenSample();
  for (const size_t size : {size_t{0}, size_t{512}, kLeaseRecordBytes - 1}) {
    EXPECT_CODE(DecodeLeaseRecord(Bytes(bytes).first(size), "f"), kDataLoss);
  }
}

TEST(LeaseRecordTest, ANewerFormatIsNotTakenForAGarbledOne) {
  std::vector<std::byte> bytes = GoldenSample();
  bytes[8] = std::byte{2};
  const uint64_t checksum = Checksum64(Bytes(bytes).first(504));
  std::memcpy(bytes.data() + 504, &checksum, sizeof(checksum));
  const absl::Status status = DecodeLeaseRecord(bytes, "lease/epoch-7").status();
  EXPECT_CODE(status, kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("format 2"));
}

TEST(LeaseRecordTest, ANameThatDoesNotFitIsRefused) {
  std::vector<std::byte> bytes(kLeaseRecordBytes);
  LeaseRecord record = Sample();
  record.node = std::string(63, 'n');
  EXPECT_OK(EncodeLeaseRecord(record, bytes));
  EXPECT_EQ(Must(DecodeLeaseRecord(bytes, "f")).node, record.node);
  record.node += 'n';
  EXPECT_CODE(EncodeLeaseRecord(record, bytes), kInvalidArgument);
}

}  // namespace
}  // namespace baton
