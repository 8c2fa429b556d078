// How extents are copied: one primitive (CopyPieces), used by host writes and in the background.
//
// What is durable before what (A => B: A is durable before B is issued):
//   O1  T0 data of e in the target and its evidence => the source write to e
//   O2  target data of e => the copied bit of e
//   O3  the bit => reuse of its intent slot                          (lander.cc)
//   O4  the bit => the first host write to the target at e           (PreserveAndLand)
#include <algorithm>
#include <array>

#include "engine/base/mutant.h"
#include "engine/base/status.h"
#include "engine/clone/clone_run.h"
#include "engine/clone/intent_slot.h"

namespace baton {
namespace {

// Extents of one copy of at most `max_bytes`.
uint64_t ExtentsPerCopy(uint64_t extent_bytes, uint64_t max_bytes) {
  return std::clamp<uint64_t>(max_bytes / extent_bytes, 1, limits::kMaxExtentsPerCopy);
}

// Bytes of data in a buffer that also holds the block of a slot.
uint64_t CopyBytes(const BufferPool& buffers) {
  return buffers.buffer_bytes() - limits::kBlockBytes;
}

}  // namespace

absl::Status CloneRun::Preserve(ExtentSpan wanted) {
  const uint64_t max = ExtentsPerCopy(geometry_.extent_bytes, CopyBytes(services_.buffers));
  while (!copied_.AllSet(wanted)) {
    Claims::Claim claim(claims_);
    claims_.AcquirePending(claim, wanted, max);
    if (!claim.holds_any() || phase() != Phase::kActive) break;
    BATON_RETURN_IF_ERROR(CopyDurably(claim.span()));
  }
  return absl::OkStatus();
}

absl::Status CloneRun::CopyDurably(ExtentSpan span) {
  BATON_ASSIGN_OR_RETURN(const uint32_t slot, services_.lander.AcquireSlot());
  Digester digester(geometry_, span);
  absl::Status status;
  {
    const BufferPool::Lease buffer = services_.buffers.Acquire();
    status = WriteWithIntent(span, buffer.bytes(), slot, digester);
  }
  if (!status.ok()) {
    services_.lander.Abandon(slot);
    return status;
  }
  services_.lander.Enqueue(progress_, span, digester.digests(), slot);
  copied_.Set(span);
  return absl::OkStatus();
}

// The last piece of the data and the slot are written side by side: the slot is evidence only
// where the target has the content that it names, so neither needs to wait for the other.
absl::Status CloneRun::WriteWithIntent(ExtentSpan span, MutableBytes buffer, uint32_t slot,
                                       Digester& digester) {
  const MutableBytes data = buffer.first(CopyBytes(services_.buffers));
  const MutableBytes block = buffer.subspan(data.size());
  const auto write = [&](uint64_t offset, Bytes piece, bool is_last) -> absl::Status {
    if (!is_last) return target_->file->WriteDurable(offset, piece);
    IntentSlot intent;
    intent.run_id = progress_.run_id;
    intent.meta_sequence = services_.catalog.synced_sequence();
    intent.span = span;
    std::copy(digester.digests().begin(), digester.digests().end(), intent.digests.begin());
    const std::array<SideWrite, 2> writes = {SideWrite{&target_->file->file(), offset, piece},
                                             services_.lander.PrepareSlot(slot, intent, block)};
    if (BATON_MUTANT(kTargetDataWithoutSlot)) return target_->file->WriteDurable(offset, piece);
    if (BATON_MUTANT(kSlotWithoutTargetData)) {
      BATON_RETURN_IF_ERROR(target_->file->Write(offset, piece));
      return services_.storage.WriteSideBySide(std::span(writes).subspan(1));
    }
    BATON_RETURN_IF_ERROR(target_->file->Health());
    BATON_RETURN_IF_ERROR(services_.fence.Check());
    BATON_RETURN_IF_ERROR(services_.storage.WriteSideBySide(writes));
    return services_.fence.Check();
  };
  return CopyPieces(span, data, digester, write);
}

absl::Status CloneRun::CopyPieces(ExtentSpan span, MutableBytes buffer, Digester& digester,
                                  WritePiece write) {
  progress_.copies += span.count;
  const uint64_t begin = geometry_.OffsetOf(span.first);
  const uint64_t end = begin + geometry_.BytesOf(span);
  for (uint64_t offset = begin; offset < end;) {
    const MutableBytes piece = buffer.first(std::min<uint64_t>(buffer.size(), end - offset));
    BATON_RETURN_IF_ERROR(source_->file->Read(offset, piece));
    digester.Update(piece);
    BATON_RETURN_IF_ERROR(write(offset, piece, offset + piece.size() == end));
    offset += piece.size();
  }
  return absl::OkStatus();
}

absl::StatusOr<CloneRun::Step> CloneRun::CopyNext(uint64_t max_bytes, MutableBytes buffer,
                                                  uint64_t& bytes) {
  bytes = 0;
  const uint64_t first = claims_.NextFree(FirstPending(), geometry_.extents());
  if (first == geometry_.extents()) {
    return copied_.count() == geometry_.extents() ? Step::kDone : Step::kBusy;
  }
  BATON_ASSIGN_OR_RETURN(const Candidate candidate, Classify(first, max_bytes));
  Claims::Claim claim(claims_);
  if (!claims_.TryAcquire(claim, candidate.span, !candidate.is_hole)) return Step::kBusy;
  if (phase() != Phase::kActive) return Step::kBusy;
  if (candidate.is_hole) {
    BATON_RETURN_IF_ERROR(RecordHoles(claim.span()));
    return Step::kCopied;
  }
  BATON_RETURN_IF_ERROR(CopyInBackground(claim.span(), buffer));
  bytes = geometry_.BytesOf(claim.span());
  return Step::kCopied;
}

// What the file says about an extent stays true while the extent is pending: no write reaches it
// before its bit is set.
absl::StatusOr<CloneRun::Candidate> CloneRun::Classify(uint64_t first, uint64_t max_bytes) const {
  const uint64_t extents = geometry_.extents();
  BATON_ASSIGN_OR_RETURN(const std::optional<DataRange> data,
                         source_->file->NextData(geometry_.OffsetOf(first)));
  const uint64_t hole_end = data ? data->begin / geometry_.extent_bytes : extents;
  if (hole_end > first) {
    const uint64_t count = std::min(hole_end - first, limits::kMaxExtentsPerHole);
    return Candidate{{first, count}, true};
  }
  const uint64_t data_end = geometry_.Touching(data->begin, data->end - data->begin).end();
  const uint64_t max =
      ExtentsPerCopy(geometry_.extent_bytes, std::min(max_bytes, CopyBytes(services_.buffers)));
  return Candidate{{first, std::min(max, data_end - first)}, false};
}

absl::Status CloneRun::CopyInBackground(ExtentSpan span, MutableBytes buffer) {
  Digester digester(geometry_, span);
  const auto write = [&](uint64_t offset, Bytes piece, bool) {
    return target_->file->Write(offset, piece);
  };
  BATON_RETURN_IF_ERROR(CopyPieces(span, buffer, digester, write));
  if (!BATON_MUTANT(kCopierSkipsTargetSync)) BATON_RETURN_IF_ERROR(target_->file->Flush());
  BATON_RETURN_IF_ERROR(services_.lander.Land(progress_, span, digester.digests()));
  copied_.Set(span);
  return absl::OkStatus();
}

// The target was emptied, durably, when the clone was activated: nothing is to be copied.
absl::Status CloneRun::RecordHoles(ExtentSpan span) {
  BATON_RETURN_IF_ERROR(services_.lander.Land(progress_, span, {}));
  copied_.Set(span);
  return absl::OkStatus();
}

uint64_t CloneRun::FirstPending() {
  const uint64_t first = copied_.NextClear(first_pending_, geometry_.extents());
  first_pending_ = first;
  return first;
}

}  // namespace baton
