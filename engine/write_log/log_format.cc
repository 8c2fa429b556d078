#include "engine/write_log/log_format.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "engine/base/checksum.h"
#include "engine/base/status.h"

namespace baton {
namespace {

constexpr size_t kSectorBytes = 512;
constexpr size_t kChecksumAt = kSectorBytes - 8;
constexpr std::string_view kHeaderMagic = "BATONWLG";
constexpr std::string_view kRecordMagic = "BATONWLS";
constexpr std::string_view kEntryMagic = "BATONWLE";
constexpr std::string_view kListMagic = "BATONWLL";
constexpr uint64_t kListHeadBytes = 32;
constexpr uint64_t kListRowBytes = 40;
constexpr uint64_t kListChecksumBytes = 8;
constexpr uint32_t kFormat = 1;
static_assert(std::endian::native == std::endian::little, "the layouts are little-endian");

// A sector that is filled, or read, from its start to its checksum.
struct Sector {
  std::array<std::byte, kSectorBytes> bytes{};
  size_t at = 0;

  void Put(std::string_view magic) {
    std::memcpy(bytes.data() + at, magic.data(), magic.size());
    at += magic.size();
  }
  void Put(uint64_t value) {
    std::memcpy(bytes.data() + at, &value, sizeof(value));
    at += sizeof(value);
  }
  uint64_t Get() {
    uint64_t value = 0;
    std::memcpy(&value, bytes.data() + at, sizeof(value));
    at += sizeof(value);
    return value;
  }
  bool Begins(std::string_view magic) {
    const bool begins = std::memcmp(bytes.data() + at, magic.data(), magic.size()) == 0;
    at += magic.size();
    return begins;
  }
  uint64_t Checksum(uint64_t seed) const {
    return SeededChecksum64(Bytes(bytes).first(kChecksumAt), seed);
  }
  bool IsIntact(uint64_t seed) const {
    uint64_t stored = 0;
    std::memcpy(&stored, bytes.data() + kChecksumAt, sizeof(stored));
    return stored == Checksum(seed);
  }
  void WriteTo(MutableBytes block, uint64_t seed) {
    const uint64_t checksum = Checksum(seed);
    std::memcpy(bytes.data() + kChecksumAt, &checksum, sizeof(checksum));
    std::fill(block.begin(), block.end(), std::byte{0});
    std::copy(bytes.begin(), bytes.end(), block.begin());
  }
  static Sector Of(Bytes block) {
    Sector sector;
    std::copy_n(block.begin(), kSectorBytes, sector.bytes.begin());
    return sector;
  }
  bool IsZero() const {
    return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
  }
};

// The bytes of a list, one number behind the other.
class ListBytes {
 public:
  explicit ListBytes(std::byte* at) : at_(at) {}
  void Put(uint64_t value) {
    std::memcpy(at_, &value, sizeof(value));
    at_ += sizeof(value);
  }

 private:
  std::byte* at_;
};

uint64_t NumberAt(Bytes bytes, uint64_t at) {
  uint64_t value = 0;
  std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

absl::Status Garbled() {
  return Error(absl::StatusCode::kDataLoss, "it is garbled: its checksum is wrong");
}

}  // namespace

// An entry has two blocks at least.
uint64_t WriteLogShape::list_blocks() const {
  const uint64_t bytes = kListHeadBytes + segment_blocks / 2 * kListRowBytes + kListChecksumBytes;
  return (bytes + limits::kBlockBytes - 1) / limits::kBlockBytes;
}

void EncodeLogHeader(const WriteLogHeader& header, MutableBytes block) {
  Sector sector;
  sector.Put(kHeaderMagic);
  sector.Put(uint64_t{kFormat});
  sector.Put(header.nonce);
  sector.Put(header.epoch);
  sector.Put(header.shape.segments);
  sector.Put(header.shape.segment_blocks);
  sector.WriteTo(block, 0);
}

absl::StatusOr<WriteLogHeader> DecodeLogHeader(Bytes block) {
  Sector sector = Sector::Of(block);
  if (!sector.Begins(kHeaderMagic) || !sector.IsIntact(0)) return Garbled();
  if (const uint64_t format = sector.Get(); format != kFormat) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 "it has format {}, this program knows {}: use a newer one", format, kFormat);
  }
  WriteLogHeader header;
  header.nonce = sector.Get();
  header.epoch = sector.Get();
  header.shape.segments = sector.Get();
  header.shape.segment_blocks = sector.Get();
  return header;
}

void EncodeSegmentRecord(const SegmentRecord& record, uint64_t nonce, MutableBytes block) {
  Sector sector;
  sector.Put(kRecordMagic);
  sector.Put(record.segment);
  sector.Put(record.first_sequence);
  sector.Put(record.meta_sequence);
  sector.WriteTo(block, nonce);
}

absl::StatusOr<std::optional<SegmentRecord>> DecodeSegmentRecord(Bytes block, uint64_t nonce,
                                                                 uint64_t segment) {
  Sector sector = Sector::Of(block);
  if (sector.IsZero()) return std::nullopt;
  if (!sector.Begins(kRecordMagic) || !sector.IsIntact(nonce)) return Garbled();
  SegmentRecord record;
  record.segment = sector.Get();
  record.first_sequence = sector.Get();
  record.meta_sequence = sector.Get();
  if (record.segment != segment) return Garbled();
  return record;
}

void EncodeLogWrite(const LogWrite& write, Bytes data, uint64_t nonce, MutableBytes block) {
  Sector sector;
  sector.Put(kEntryMagic);
  sector.Put(write.volume_id);
  sector.Put(write.offset);
  sector.Put(write.length_bytes);
  sector.Put(write.sequence);
  sector.Put(write.block);
  sector.Put(SeededChecksum64(data, nonce));
  sector.WriteTo(block, nonce);
}

std::optional<LogWrite> DecodeLogWrite(Bytes blocks, uint64_t block, uint64_t nonce) {
  Sector sector = Sector::Of(blocks);
  if (!sector.Begins(kEntryMagic) || !sector.IsIntact(nonce)) return std::nullopt;
  LogWrite write;
  write.volume_id = sector.Get();
  write.offset = sector.Get();
  write.length_bytes = sector.Get();
  write.sequence = sector.Get();
  write.block = sector.Get();
  const uint64_t checksum = sector.Get();
  const Bytes behind = blocks.subspan(limits::kBlockBytes);
  if (write.block != block || write.length_bytes > behind.size()) return std::nullopt;
  if (SeededChecksum64(behind.first(write.length_bytes), nonce) != checksum) return std::nullopt;
  return write;
}

void EncodeSegmentList(const SegmentList& list, uint64_t nonce, MutableBytes blocks) {
  std::fill(blocks.begin(), blocks.end(), std::byte{0});
  std::memcpy(blocks.data(), kListMagic.data(), kListMagic.size());
  ListBytes bytes(blocks.data() + kListMagic.size());
  for (const uint64_t value : {list.segment, list.first_sequence, uint64_t{list.writes.size()}}) {
    bytes.Put(value);
  }
  for (const LogWrite& write : list.writes) {
    for (const uint64_t value :
         {write.volume_id, write.offset, write.length_bytes, write.sequence, write.block}) {
      bytes.Put(value);
    }
  }
  const uint64_t used = kListHeadBytes + list.writes.size() * kListRowBytes;
  bytes.Put(SeededChecksum64(Bytes(blocks).first(used), nonce));
}

std::optional<SegmentList> DecodeSegmentList(Bytes blocks, uint64_t nonce) {
  if (std::memcmp(blocks.data(), kListMagic.data(), kListMagic.size()) != 0) return std::nullopt;
  const uint64_t count = NumberAt(blocks, 24);
  const uint64_t room = blocks.size() - kListHeadBytes - kListChecksumBytes;
  if (count > room / kListRowBytes) return std::nullopt;
  const uint64_t used = kListHeadBytes + count * kListRowBytes;
  if (NumberAt(blocks, used) != SeededChecksum64(blocks.first(used), nonce)) return std::nullopt;
  SegmentList list = {
      .segment = NumberAt(blocks, 8), .first_sequence = NumberAt(blocks, 16), .writes = {}};
  for (uint64_t at = kListHeadBytes; at < used; at += kListRowBytes) {
    list.writes.push_back({.volume_id = NumberAt(blocks, at),
                           .offset = NumberAt(blocks, at + 8),
                           .length_bytes = NumberAt(blocks, at + 16),
                           .sequence = NumberAt(blocks, at + 24),
                           .block = NumberAt(blocks, at + 32)});
  }
  return list;
}

}  // namespace baton
