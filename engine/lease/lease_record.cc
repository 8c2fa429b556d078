#include "engine/lease/lease_record.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>

#include "engine/base/checksum.h"
#include "engine/base/status.h"

namespace baton {
namespace {

static_assert(std::endian::native == std::endian::little, "the layout is little-endian");

constexpr char kMagic[] = {'B', 'A', 'T', 'O', 'N', 'L', 'S', 'E'};
constexpr uint32_t kFormatVersion = 1;
constexpr uint32_t kReleased = 1;

struct Layout {
  char magic[8];
  uint32_t version;
  uint32_t flags;
  uint64_t epoch;
  uint64_t counter;
  uint64_t meta_sequence;
  char node[64];
  char boot_id[40];
  char instance[40];
  int64_t renew_us;
  int64_t stop_us;
  int64_t valid_us;
  int64_t takeover_us;
  int64_t watchdog_us;
  char unused[280];
  uint64_t xxh3;
  char padding[3584];
};
static_assert(sizeof(Layout) == kLeaseRecordBytes);
static_assert(offsetof(Layout, epoch) == 16);
static_assert(offsetof(Layout, node) == 40);
static_assert(offsetof(Layout, boot_id) == 104);
static_assert(offsetof(Layout, instance) == 144);
static_assert(offsetof(Layout, renew_us) == 184);
static_assert(offsetof(Layout, xxh3) == 504, "what changes lies in one sector of 512 bytes");
static_assert(sizeof(Layout::node) > limits::kMaxNameBytes, "a zero ends every name");

uint64_t ChecksumOf(const Layout& layout) {
  return Checksum64(std::as_bytes(std::span(&layout, 1)).first(offsetof(Layout, xxh3)));
}

template <size_t size>
absl::Status SetText(const std::string& text, char (&field)[size]) {
  if (text.size() >= size) {
    return Error(absl::StatusCode::kInvalidArgument, "'{}' is too long for a lease record", text);
  }
  std::memcpy(field, text.data(), text.size());
  return absl::OkStatus();
}

template <size_t size>
std::string GetText(const char (&field)[size]) {
  return std::string(field, ::strnlen(field, size));
}

void SetTimes(const OwnerTimes& times, Layout& layout) {
  layout.renew_us = absl::ToInt64Microseconds(times.renew);
  layout.stop_us = absl::ToInt64Microseconds(times.stop);
  layout.valid_us = absl::ToInt64Microseconds(times.valid);
  layout.takeover_us = absl::ToInt64Microseconds(times.takeover);
  layout.watchdog_us = absl::ToInt64Microseconds(times.watchdog);
}

std::optional<OwnerTimes> GetTimes(const Layout& layout) {
  if (layout.takeover_us == 0) return std::nullopt;
  return OwnerTimes{.renew = absl::Microseconds(layout.renew_us),
                    .stop = absl::Microseconds(layout.stop_us),
                    .valid = absl::Microseconds(layout.valid_us),
                    .takeover = absl::Microseconds(layout.takeover_us),
                    .watchdog = absl::Microseconds(layout.watchdog_us)};
}

bool IsZero(const char* begin, const char* end) {
  return std::all_of(begin, end, [](char c) { return c == 0; });
}

absl::Status Garbled(const std::string& path, const char* why) {
  return Error(absl::StatusCode::kDataLoss, "lease record {} is garbled: {}", path, why);
}

}  // namespace

absl::Status EncodeLeaseRecord(const LeaseRecord& record, MutableBytes out) {
  Layout layout = {};
  std::memcpy(layout.magic, kMagic, sizeof(kMagic));
  layout.version = kFormatVersion;
  layout.flags = record.released ? kReleased : 0;
  layout.epoch = record.epoch;
  layout.counter = record.counter;
  layout.meta_sequence = record.meta_sequence;
  BATON_RETURN_IF_ERROR(SetText(record.node, layout.node));
  BATON_RETURN_IF_ERROR(SetText(record.boot_id, layout.boot_id));
  BATON_RETURN_IF_ERROR(SetText(record.instance, layout.instance));
  if (record.times) SetTimes(*record.times, layout);
  layout.xxh3 = ChecksumOf(layout);
  std::memcpy(out.data(), &layout, sizeof(layout));
  return absl::OkStatus();
}

absl::StatusOr<LeaseRecord> DecodeLeaseRecord(Bytes bytes, const std::string& path) {
  if (bytes.size() != kLeaseRecordBytes) return Garbled(path, "it has not 4,096 bytes");
  Layout layout;
  std::memcpy(&layout, bytes.data(), sizeof(layout));
  if (std::memcmp(layout.magic, kMagic, sizeof(kMagic)) != 0) return Garbled(path, "wrong magic");
  if (layout.xxh3 != ChecksumOf(layout)) return Garbled(path, "wrong checksum");
  if (!IsZero(std::begin(layout.padding), std::end(layout.padding))) {
    return Garbled(path, "its padding is not zero");
  }
  if (layout.version > kFormatVersion) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 "lease record {} has format {}, this program knows {}: use a newer one", path,
                 layout.version, kFormatVersion);
  }
  return LeaseRecord{.epoch = layout.epoch,
                     .counter = layout.counter,
                     .meta_sequence = layout.meta_sequence,
                     .released = (layout.flags & kReleased) != 0,
                     .node = GetText(layout.node),
                     .boot_id = GetText(layout.boot_id),
                     .instance = GetText(layout.instance),
                     .times = GetTimes(layout)};
}

}  // namespace baton
