#include "engine/clone/clone_run.h"

#include <algorithm>

#include "engine/base/host_request.h"
#include "engine/base/mutant.h"
#include "engine/base/race_point.h"
#include "engine/base/status.h"

namespace baton {

CloneRun::CloneRun(const CopyServices& services, const Options& options,
                   std::shared_ptr<Volume> source, std::shared_ptr<Volume> target)
    : services_(services),
      geometry_(options.geometry),
      fails_writes_(options.fails_writes),
      source_(std::move(source)),
      target_(std::move(target)),
      copied_(geometry_.extents()),
      locks_(services.runtime, copied_, limits::kMaxExtentsInFlight,
             limits::kExtentsForHostWrites) {
  progress_.run_id = options.run_id;
  progress_.keeps_digests = options.keeps_digests;
}

absl::Status CloneRun::Preserve(ExtentSpan wanted) {
  return PreserveBy(fails_writes_ ? Way::kTarget : Way::kLog, wanted);
}

// Who waits for the bits anyway gets there faster without the intent log.
absl::Status CloneRun::PreserveAndLand(ExtentSpan wanted) {
  BATON_RETURN_IF_ERROR(PreserveBy(Way::kTarget, wanted));
  if (BATON_MUTANT(kTargetWriteBeforeBit)) return absl::OkStatus();
  const HostRequest::Spending preserving(services_.runtime, Spent::kPreserve);
  return WaitLanded(wanted);
}

absl::Status CloneRun::WaitLanded(ExtentSpan span) {
  BATON_RETURN_IF_ERROR(services_.writeback.WaitWrittenBack(progress_, span));
  return services_.committer.WaitLanded(progress_, span);
}

absl::Status CloneRun::ReadTarget(VolumeIo& target, uint64_t offset, MutableBytes out) {
  while (!out.empty()) {
    BATON_RETURN_IF_ERROR(CheckReadable());
    const ExtentSpan span = geometry_.Touching(offset, out.size());
    const bool is_copied = copied_.Test(span.first);
    BATON_RACE_POINT();
    // From the second extent on: the first one may be copied meanwhile, and the run is never empty.
    const uint64_t end = is_copied ? copied_.NextClear(span.first + 1, span.end())
                                   : copied_.NextSet(span.first + 1, span.end());
    const uint64_t length = std::min<uint64_t>(out.size(), geometry_.OffsetOf(end) - offset);
    const MutableBytes part = out.first(length);
    BATON_RETURN_IF_ERROR(is_copied ? ReadCopied(target, offset, part)
                                    : ReadPending(target, offset, part));
    offset += length;
    out = out.subspan(length);
  }
  return absl::OkStatus();
}

// Data that is still in the intent log is waited for. It may go away because its run has ended,
// whose phase says so before that; and the target of a run that has ended may be emptied during the
// read.
absl::Status CloneRun::ReadCopied(VolumeIo& target, uint64_t offset, MutableBytes out) {
  if (!BATON_MUTANT(kTargetReadIgnoresLog)) {
    const ExtentSpan span = geometry_.Touching(offset, out.size());
    const HostRequest::Spending preserving(services_.runtime, Spent::kPreserve);
    BATON_RETURN_IF_ERROR(services_.writeback.WaitWrittenBack(progress_, span));
    BATON_RETURN_IF_ERROR(CheckReadable());
  }
  BATON_RETURN_IF_ERROR(target.Read(offset, out));
  return CheckReadable();
}

// The bit is set before the source is overwritten: one that is still clear after the read proves
// that T0 content was read. The same holds for the end of the run.
absl::Status CloneRun::ReadPending(VolumeIo& target, uint64_t offset, MutableBytes out) {
  BATON_RETURN_IF_ERROR(source_->file->Read(offset, out));
  if (BATON_MUTANT(kTargetReadNoSecondLook)) return absl::OkStatus();
  BATON_RETURN_IF_ERROR(CheckReadable());
  const ExtentSpan span = geometry_.Touching(offset, out.size());
  for (uint64_t extent = span.first; (extent = copied_.NextSet(extent, span.end())) < span.end();
       ++extent) {
    const uint64_t begin = std::max(offset, geometry_.OffsetOf(extent));
    const uint64_t end = std::min(offset + out.size(), geometry_.OffsetOf(extent + 1));
    BATON_RETURN_IF_ERROR(ReadCopied(target, begin, out.subspan(begin - offset, end - begin)));
  }
  return absl::OkStatus();
}

absl::Status CloneRun::CheckReadable() const {
  if (phase() == Phase::kActive) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition,
               "volume {} is offline: it is the target of a clone that was not started, was "
               "stopped or failed",
               target_->name);
}

absl::Status CloneRun::Drain() {
  locks_.WaitNone();
  return WaitLanded({0, geometry_.extents()});
}

void CloneRun::Restore(ExtentSpan span) {
  const uint64_t before = copied_.count();
  copied_.Set(span);
  progress_.recorded += copied_.count() - before;
  RestoreCopies(progress_.copies);
}

// What has left a bit or a slot was begun, whether that was counted in time or not.
void CloneRun::RestoreCopies(uint64_t copies) {
  progress_.copies = std::max<uint64_t>(copies, progress_.recorded);
}

}  // namespace baton
