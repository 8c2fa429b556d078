#include "engine/volume/volume_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "engine/base/host_request.h"
#include "engine/base/limits.h"
#include "engine/base/mutant.h"
#include "engine/base/status.h"

namespace baton {
namespace {

// What the unaligned edges of a discard are overwritten with.
alignas(limits::kBlockBytes) constexpr std::array<std::byte, limits::kBlockBytes> kZeros = {};

uint64_t RoundDown(uint64_t value, uint64_t unit) { return value - value % unit; }
uint64_t RoundUp(uint64_t value, uint64_t unit) { return RoundDown(value + unit - 1, unit); }

}  // namespace

VolumeFile::VolumeFile(Options options)
    : fence_(options.fence),
      bounce_(options.bounce),
      file_(std::move(options.file)),
      size_bytes_(options.size_bytes),
      mode_(options.durability == DURABILITY_SYNC ? WriteMode::kDurable : WriteMode::kCached),
      keeps_space_(options.keeps_space),
      alignment_(file_->alignment()),
      bounce_bytes_(RoundDown(bounce_.buffer_bytes(), alignment_.offset_bytes)),
      lock_(options.runtime),
      sync_(options.runtime, *file_, std::move(options.on_fault)) {}

absl::Status VolumeFile::Read(uint64_t offset, MutableBytes out) {
  BATON_RETURN_IF_ERROR(CheckRange(offset, out.size()));
  BATON_RETURN_IF_ERROR(Health());
  HostRequest::NoteStorage();
  if (IsDirect(offset, out)) {
    BATON_RETURN_IF_ERROR(file_->Read(offset, out));
  } else {
    BATON_RETURN_IF_ERROR(ReadBounced(offset, out));
  }
  return MayAcknowledge();  // somebody else may have written since the lease was lost
}

absl::Status VolumeFile::Write(uint64_t offset, Bytes data) {
  return WriteWith(mode_, offset, data);
}

absl::Status VolumeFile::WriteDurable(uint64_t offset, Bytes data) {
  return WriteWith(WriteMode::kDurable, offset, data);
}

absl::Status VolumeFile::Flush() {
  BATON_RETURN_IF_ERROR(Health());
  BATON_RETURN_IF_ERROR(fence_.Check());
  if (BATON_MUTANT(kFlushWithoutSync)) return absl::OkStatus();
  HostRequest::NoteStorage();
  BATON_RETURN_IF_ERROR(sync_.Sync());
  return fence_.Check();
}

absl::Status VolumeFile::Discard(uint64_t offset, uint64_t length_bytes) {
  BATON_RETURN_IF_ERROR(CheckRange(offset, length_bytes));
  BATON_RETURN_IF_ERROR(Health());
  HostRequest::NoteStorage();
  BATON_RETURN_IF_ERROR(DiscardBytes(offset, length_bytes));
  return MayAcknowledge();
}

absl::StatusOr<std::optional<DataRange>> VolumeFile::NextData(uint64_t offset) const {
  BATON_RETURN_IF_ERROR(CheckRange(offset, 0));
  BATON_RETURN_IF_ERROR(Health());
  BATON_ASSIGN_OR_RETURN(std::optional<DataRange> range, file_->NextData(offset));
  const uint64_t size = size_bytes_;
  if (!range.has_value() || range->begin >= size) return std::nullopt;
  range->end = std::min(range->end, size);
  return range;
}

absl::Status VolumeFile::CheckRange(uint64_t offset, uint64_t length_bytes) const {
  const uint64_t size = size_bytes_;
  if (offset <= size && length_bytes <= size - offset) return absl::OkStatus();
  return Error(absl::StatusCode::kOutOfRange, "{} bytes at {} are not inside a volume of {} bytes",
               length_bytes, offset, size);
}

bool VolumeFile::IsWhole(uint64_t offset, uint64_t length_bytes) const {
  return offset % alignment_.offset_bytes == 0 && length_bytes % alignment_.offset_bytes == 0;
}

bool VolumeFile::IsDirect(uint64_t offset, Bytes bytes) const {
  return IsWhole(offset, bytes.size()) &&
         reinterpret_cast<uintptr_t>(bytes.data()) % alignment_.memory_bytes == 0;
}

ByteRange VolumeFile::BlocksAround(uint64_t offset, uint64_t length_bytes) const {
  return {RoundDown(offset, alignment_.offset_bytes),
          RoundUp(offset + length_bytes, alignment_.offset_bytes)};
}

// How much of a request one buffer carries: up to the end of the last block that fits into it.
uint64_t VolumeFile::PieceBytes(uint64_t offset, uint64_t length_bytes) const {
  return std::min(length_bytes, bounce_bytes_ - offset % alignment_.offset_bytes);
}

absl::Status VolumeFile::ReadBounced(uint64_t offset, MutableBytes out) const {
  if (out.empty()) return absl::OkStatus();
  BufferPool::Handle lease = bounce_.Acquire();
  while (!out.empty()) {
    const uint64_t piece = PieceBytes(offset, out.size());
    const ByteRange blocks = BlocksAround(offset, piece);
    const MutableBytes buffer = lease.bytes().first(blocks.end - blocks.begin);
    BATON_RETURN_IF_ERROR(file_->Read(blocks.begin, buffer));
    std::memcpy(out.data(), buffer.data() + (offset - blocks.begin), piece);
    offset += piece;
    out = out.subspan(piece);
  }
  return absl::OkStatus();
}

absl::Status VolumeFile::WriteWith(WriteMode mode, uint64_t offset, Bytes data) {
  BATON_RETURN_IF_ERROR(CheckRange(offset, data.size()));
  BATON_RETURN_IF_ERROR(Health());
  HostRequest::NoteStorage();
  BATON_RETURN_IF_ERROR(WriteBytes(mode, offset, data));
  return MayAcknowledge();
}

absl::Status VolumeFile::WriteBytes(WriteMode mode, uint64_t offset, Bytes data) {
  if (data.empty()) return absl::OkStatus();
  if (IsDirect(offset, data)) {
    RangeLock::Hold hold(lock_, {offset, offset + data.size()}, RangeLock::Mode::kShared);
    return Issue(mode, offset, data);
  }
  while (!data.empty()) {
    const uint64_t piece = PieceBytes(offset, data.size());
    BATON_RETURN_IF_ERROR(WriteBounced(mode, offset, data.first(piece)));
    offset += piece;
    data = data.subspan(piece);
  }
  return absl::OkStatus();
}

absl::Status VolumeFile::WriteBounced(WriteMode mode, uint64_t offset, Bytes data) {
  const ByteRange blocks = BlocksAround(offset, data.size());
  // First the lock, then the buffer: who waits for the lock keeps no buffer from others.
  RangeLock::Hold hold(
      lock_, blocks,
      IsWhole(offset, data.size()) ? RangeLock::Mode::kShared : RangeLock::Mode::kExclusive);
  BufferPool::Handle lease = bounce_.Acquire();
  const MutableBytes buffer = lease.bytes().first(blocks.end - blocks.begin);
  BATON_RETURN_IF_ERROR(ReadEdges(offset, data.size(), blocks, buffer));
  std::memcpy(buffer.data() + (offset - blocks.begin), data.data(), data.size());
  return Issue(mode, blocks.begin, buffer);
}

// Fills the first and the last block of `buffer` from the file, where the write covers them only
// in part.
absl::Status VolumeFile::ReadEdges(uint64_t offset, uint64_t length_bytes, ByteRange blocks,
                                   MutableBytes buffer) const {
  const uint64_t block = alignment_.offset_bytes;
  const bool head = offset != blocks.begin;
  const bool tail = offset + length_bytes != blocks.end;
  if (head) BATON_RETURN_IF_ERROR(file_->Read(blocks.begin, buffer.first(block)));
  if (!tail || (head && buffer.size() == block)) return absl::OkStatus();
  return file_->Read(blocks.end - block, buffer.last(block));
}

absl::Status VolumeFile::DiscardBytes(uint64_t offset, uint64_t length_bytes) {
  const uint64_t end = offset + length_bytes;
  // The whole blocks in between; empty, and somewhere in the range, when there is none.
  const uint64_t first = std::min(RoundUp(offset, limits::kBlockBytes), end);
  const uint64_t last = std::max(RoundDown(end, limits::kBlockBytes), first);
  BATON_RETURN_IF_ERROR(WriteBytes(mode_, offset, Bytes(kZeros).first(first - offset)));
  BATON_RETURN_IF_ERROR(WriteBytes(mode_, last, Bytes(kZeros).first(end - last)));
  return first < last ? DiscardBlocks({first, last}) : absl::OkStatus();
}

absl::Status VolumeFile::DiscardBlocks(ByteRange blocks) {
  {
    RangeLock::Hold hold(lock_, blocks, RangeLock::Mode::kExclusive);
    BATON_RETURN_IF_ERROR(fence_.Check());
    const uint64_t length = blocks.end - blocks.begin;
    BATON_RETURN_IF_ERROR(keeps_space_ ? file_->ZeroRange(blocks.begin, length)
                                       : file_->PunchHole(blocks.begin, length));
  }
  // Unlike a direct write, a hole is in this node's caches until it is synced.
  return sync_.Sync();
}

// The one place where bytes go to the file. Time may have passed in a queue or a read since the
// request came, so the fence is asked here.
absl::Status VolumeFile::Issue(WriteMode mode, uint64_t offset, Bytes data) {
  BATON_RETURN_IF_ERROR(fence_.Check());
  if (mode == WriteMode::kDurable) return sync_.WriteDurable(offset, data);
  return file_->Write(offset, data, mode);
}

absl::Status VolumeFile::MayAcknowledge() const {
  BATON_RETURN_IF_ERROR(Health());
  return fence_.Check();
}

}  // namespace baton
