// How extents are copied: one primitive (CopyPieces), used by host writes and in the background.
//
// What is durable before what (A => B: A is durable before B is issued):
//   O1  T0 data of e in the intent log or the target, and its evidence => the source write to e
//   O2  target data of e => the copied bit of e                      (also log_writeback.cc)
//   O3  the bit => reuse of its entry of the intent log                    (bitmap_committer.cc)
//   O4  the bit => the first host write to the target at e           (PreserveAndLand)
#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <utility>
#include <vector>

#include "engine/base/host_request.h"
#include "engine/base/mutant.h"
#include "engine/base/retry.h"
#include "engine/base/status.h"
#include "engine/clone/clone_run.h"
#include "engine/clone/intent_slot.h"

namespace baton {
namespace {

// Extents of one copy of at most `max_bytes`.
uint64_t ExtentsPerCopy(uint64_t extent_bytes, uint64_t max_bytes) {
  return std::clamp<uint64_t>(max_bytes / extent_bytes, 1, limits::kMaxExtentsPerCopy);
}

bool IsZeros(Bytes data) {
  return data.empty() || (data.front() == std::byte{0} &&
                          std::memcmp(data.data(), data.data() + 1, data.size() - 1) == 0);
}

}  // namespace

absl::Status CloneRun::PreserveBy(Way way, ExtentSpan wanted) {
  const uint64_t max = ExtentsPerCopy(geometry_.extent_bytes, services_.buffers.buffer_bytes());
  if (wanted.count > max) {
    const HostRequest::Spending preserving(services_.runtime, Spent::kPreserve);
    BATON_RETURN_IF_ERROR(
        Repeated(services_.runtime, [&] { return RecordLongHoles(wanted, max); }));
  }
  while (!copied_.AllSet(wanted)) {
    const HostRequest::Spending preserving(services_.runtime, Spent::kPreserve);
    ExtentLocks::Hold hold(locks_);
    locks_.AcquirePending(hold, wanted, max);
    if (!hold.holds_any() || phase() != Phase::kActive) break;
    BATON_RETURN_IF_ERROR(
        Repeated(services_.runtime, [&] { return CopyDurably(way, hold.span()); }));
  }
  return absl::OkStatus();
}

// Of a long discard, mostly. Runs of more than `least` extents are recorded without a slot and a
// read: what they hold is known. What somebody else has locked is left for later.
absl::Status CloneRun::RecordLongHoles(ExtentSpan wanted, uint64_t least) {
  for (uint64_t next = wanted.first;
       (next = copied_.NextClear(next, wanted.end())) < wanted.end();) {
    BATON_ASSIGN_OR_RETURN(const Candidate found, Classify(next, UINT64_MAX));
    const ExtentSpan span = {next, std::min(found.span.end(), wanted.end()) - next};
    next = span.end();
    if (!found.is_hole || span.count <= least) continue;
    ExtentLocks::Hold hold(locks_);
    if (!locks_.TryAcquire(hold, span, false) || phase() != Phase::kActive) continue;
    BATON_RETURN_IF_ERROR(RecordHoles(hold.span()));
  }
  return absl::OkStatus();
}

absl::Status CloneRun::CopyDurably(Way way, ExtentSpan span) {
  BATON_ASSIGN_OR_RETURN(LogEntry entry, services_.log.Acquire());
  Digester digester(geometry_, span);
  const uint64_t bytes = geometry_.BytesOf(span);
  const bool by_log = way == Way::kLog && bytes <= services_.log.shape().data_bytes;
  BATON_ASSIGN_OR_RETURN(const Place place, by_log ? CopyToLog(span, entry, digester)
                                                   : CopyToTarget(span, entry, digester));
  progress_.landing += span.count;
  Landing landing(progress_, span, digester.digests(), std::move(entry));
  if (place == Place::kLog) {
    services_.writeback.Enqueue(std::move(landing), *target_->file, geometry_.OffsetOf(span.first),
                                bytes);
  } else {
    services_.committer.Enqueue(std::move(landing));
  }
  copied_.Set(span);
  return absl::OkStatus();
}

IntentSlot CloneRun::SlotOf(ExtentSpan span, const Digester& digester) const {
  IntentSlot slot;
  slot.run_id = progress_.run_id;
  slot.meta_sequence = services_.catalog.synced_sequence();
  slot.span = span;
  std::copy(digester.digests().begin(), digester.digests().end(), slot.digests.begin());
  return slot;
}

// Zeros are not written: the target has them since it was emptied, durably, so that a slot without
// data is evidence enough.
absl::StatusOr<CloneRun::Place> CloneRun::CopyToLog(ExtentSpan span, const LogEntry& entry,
                                                    Digester& digester) {
  Place place = Place::kLog;
  const auto write = [&](uint64_t, Bytes data, bool) -> absl::Status {
    IntentSlot slot = SlotOf(span, digester);
    if (IsZeros(data)) place = Place::kTarget;
    slot.data_bytes = place == Place::kLog ? data.size() : 0;
    return WriteSlot(entry, slot);
  };
  BATON_RETURN_IF_ERROR(CopyPieces(span, entry.Data(), digester, write));
  return place;
}

absl::Status CloneRun::WriteSlot(const LogEntry& entry, IntentSlot& slot) {
  BATON_RETURN_IF_ERROR(services_.fence.Check());
  BATON_RETURN_IF_ERROR(entry.Write(slot));
  return services_.fence.Check();
}

// The last piece of the data and the slot are written side by side: the slot is evidence only
// where the target has the content that it names, so neither needs to wait for the other.
absl::StatusOr<CloneRun::Place> CloneRun::CopyToTarget(ExtentSpan span, const LogEntry& entry,
                                                       Digester& digester) {
  const BufferPool::Handle buffer = services_.buffers.Acquire();
  const auto write = [&](uint64_t offset, Bytes piece, bool is_last) -> absl::Status {
    const bool is_zeros = IsZeros(piece);
    if (!is_last) {
      return is_zeros ? absl::OkStatus() : target_->file->WriteDurable(offset, piece);
    }
    IntentSlot slot = SlotOf(span, digester);
    return is_zeros ? WriteSlot(entry, slot) : WriteBoth(offset, piece, entry, slot);
  };
  BATON_RETURN_IF_ERROR(CopyPieces(span, buffer.bytes(), digester, write));
  return Place::kTarget;
}

absl::Status CloneRun::WriteBoth(uint64_t offset, Bytes piece, const LogEntry& entry,
                                 IntentSlot& slot) {
  if (!IsDirect(target_->file->file()) || !services_.log.is_direct()) {
    BATON_RETURN_IF_ERROR(target_->file->WriteDurable(offset, piece));
    return WriteSlot(entry, slot);
  }
  const std::array<SideWrite, 2> writes = {SideWrite{&target_->file->file(), offset, piece},
                                           entry.Prepare(slot)};
  if (BATON_MUTANT(kTargetDataWithoutSlot)) return target_->file->WriteDurable(offset, piece);
  if (BATON_MUTANT(kSlotWithoutTargetData)) {
    BATON_RETURN_IF_ERROR(target_->file->Write(offset, piece));
    return services_.storage.WriteSideBySide(std::span(writes).subspan(1));
  }
  BATON_RETURN_IF_ERROR(target_->file->Health());
  BATON_RETURN_IF_ERROR(services_.fence.Check());
  BATON_RETURN_IF_ERROR(services_.storage.WriteSideBySide(writes));
  return services_.fence.Check();
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
                                                  Attempt& attempt) {
  attempt = {};
  const uint64_t first = locks_.NextFree(FirstPending(), geometry_.extents());
  if (first == geometry_.extents()) {
    return copied_.count() == geometry_.extents() ? Step::kDone : Step::kBusy;
  }
  attempt.span = {first, 1};
  BATON_ASSIGN_OR_RETURN(const Candidate candidate, Classify(first, max_bytes));
  ExtentLocks::Hold hold(locks_);
  if (!locks_.TryAcquire(hold, candidate.span, !candidate.is_hole)) return Step::kBusy;
  if (phase() != Phase::kActive) return Step::kBusy;
  attempt.span = hold.span();
  if (candidate.is_hole) {
    BATON_RETURN_IF_ERROR(RecordHoles(hold.span()));
    return Step::kCopied;
  }
  BATON_RETURN_IF_ERROR(CopyInBackground(hold.span(), buffer));
  attempt.bytes = geometry_.BytesOf(hold.span());
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
      ExtentsPerCopy(geometry_.extent_bytes, std::min(max_bytes, services_.buffers.buffer_bytes()));
  return Candidate{{first, std::min(max, data_end - first)}, false};
}

// False: there was nothing but zeros, and nothing was written.
absl::StatusOr<bool> CloneRun::CopyToTargetCached(ExtentSpan span, MutableBytes buffer,
                                                  Digester& digester) {
  bool has_data = false;
  const auto write = [&](uint64_t offset, Bytes piece, bool) {
    if (IsZeros(piece)) return absl::OkStatus();
    has_data = true;
    return target_->file->Write(offset, piece);
  };
  BATON_RETURN_IF_ERROR(CopyPieces(span, buffer, digester, write));
  return has_data;
}

absl::Status CloneRun::CopyInBackground(ExtentSpan span, MutableBytes buffer) {
  Digester digester(geometry_, span);
  BATON_ASSIGN_OR_RETURN(const bool has_data, CopyToTargetCached(span, buffer, digester));
  if (has_data && !BATON_MUTANT(kCopierSkipsTargetSync)) {
    BATON_RETURN_IF_ERROR(target_->file->Flush());
  }
  BATON_RETURN_IF_ERROR(services_.committer.Land({progress_, span, digester.digests()}));
  copied_.Set(span);
  return absl::OkStatus();
}

// Copies that become durable together, with one sync of the target and one of the metadata.
class CloneRun::CopyStep {
 public:
  CopyStep(CloneRun& run, uint64_t max_extents) : run_(run), max_extents_(max_extents) {}

  // Copies the first pending extents of `wanted`, and returns the rest of it.
  absl::StatusOr<ExtentSpan> Copy(ExtentSpan wanted, MutableBytes buffer) {
    ExtentLocks::Hold& hold = holds_.emplace_back(run_.locks_);
    const uint64_t max = std::min(ExtentsPerCopy(run_.geometry_.extent_bytes, buffer.size()),
                                  max_extents_ - extents_);
    run_.locks_.AcquirePending(hold, wanted, max);
    if (!hold.holds_any() || run_.phase() != Phase::kActive) {
      holds_.pop_back();
      return ExtentSpan{wanted.end(), 0};
    }
    const ExtentSpan span = hold.span();
    BATON_RETURN_IF_ERROR(
        Repeated(run_.services_.runtime, [&] { return CopyLocked(span, buffer); }));
    extents_ += span.count;
    return ExtentSpan{span.end(), wanted.end() - span.end()};
  }

  bool is_full() const { return extents_ == max_extents_; }

  absl::Status Finish() {
    if (landings_.empty()) return absl::OkStatus();
    if (has_data_ && !BATON_MUTANT(kDrainSkipsTargetSync)) {
      BATON_RETURN_IF_ERROR(run_.target_->file->Flush());
    }
    BATON_RETURN_IF_ERROR(run_.services_.committer.LandAll(landings_));
    for (const ExtentLocks::Hold& hold : holds_) run_.copied_.Set(hold.span());
    return absl::OkStatus();
  }

 private:
  absl::Status CopyLocked(ExtentSpan span, MutableBytes buffer) {
    Digester digester(run_.geometry_, span);
    BATON_ASSIGN_OR_RETURN(const bool has_data, run_.CopyToTargetCached(span, buffer, digester));
    has_data_ = has_data_ || has_data;
    landings_.emplace_back(run_.progress_, span, digester.digests());
    return absl::OkStatus();
  }

  CloneRun& run_;
  const uint64_t max_extents_;
  std::deque<ExtentLocks::Hold> holds_;
  std::vector<Landing> landings_;
  uint64_t extents_ = 0;
  bool has_data_ = false;
};

absl::Status CloneRun::CopyAll(std::span<const ExtentSpan> spans, uint64_t extents_per_step,
                               MutableBytes buffer, absl::FunctionRef<absl::Status()> go_on) {
  for (size_t next = 0; next < spans.size();) {
    BATON_RETURN_IF_ERROR(go_on());
    CopyStep step(*this, extents_per_step);
    ExtentSpan left = spans[next];
    while (!step.is_full() && next < spans.size()) {
      BATON_ASSIGN_OR_RETURN(left, step.Copy(left, buffer));
      if (left.count == 0 && ++next < spans.size()) left = spans[next];
    }
    BATON_RETURN_IF_ERROR(step.Finish());
  }
  return absl::OkStatus();
}

// The target was emptied, durably, when the clone was activated: nothing is to be copied.
absl::Status CloneRun::RecordHoles(ExtentSpan span) {
  BATON_RETURN_IF_ERROR(services_.committer.Land({progress_, span, {}}));
  copied_.Set(span);
  return absl::OkStatus();
}

uint64_t CloneRun::FirstPending() {
  const uint64_t first = copied_.NextClear(first_pending_, geometry_.extents());
  first_pending_ = first;
  return first;
}

}  // namespace baton
