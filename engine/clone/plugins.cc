#include "engine/clone/plugins.h"

#include "engine/base/copy_failure.h"
#include "engine/base/mutant.h"
#include "engine/base/status.h"

namespace baton {

absl::Status SourcePlugin::Write(VolumeIo& next, uint64_t offset, Bytes data) {
  if (BATON_MUTANT(kSourceWriteBeforePreserve)) {
    BATON_RETURN_IF_ERROR(next.Write(offset, data));
    return BeforeChange(offset, data.size());
  }
  BATON_RETURN_IF_ERROR(BeforeChange(offset, data.size()));
  return next.Write(offset, data);
}

absl::Status SourcePlugin::Discard(VolumeIo& next, uint64_t offset, uint64_t length_bytes) {
  BATON_RETURN_IF_ERROR(BeforeChange(offset, length_bytes));
  return next.Discard(offset, length_bytes);
}

absl::Status SourcePlugin::BeforeChange(uint64_t offset, uint64_t length_bytes) {
  if (length_bytes == 0 || run_->phase() != CloneRun::Phase::kActive) return absl::OkStatus();
  const absl::Status status = run_->Preserve(run_->geometry().Touching(offset, length_bytes));
  if (status.ok() || absl::IsAborted(status)) return status;
  return on_failed_(status);
}

absl::Status TargetPlugin::Read(VolumeIo& next, uint64_t offset, MutableBytes out) {
  return run_->ReadTarget(next, offset, out);
}

absl::Status TargetPlugin::Write(VolumeIo& next, uint64_t offset, Bytes data) {
  BATON_RETURN_IF_ERROR(BeforeChange(offset, data.size()));
  return next.Write(offset, data);
}

absl::Status TargetPlugin::Flush(VolumeIo& next) {
  BATON_RETURN_IF_ERROR(run_->CheckReadable());
  return next.Flush();
}

absl::Status TargetPlugin::Discard(VolumeIo& next, uint64_t offset, uint64_t length_bytes) {
  BATON_RETURN_IF_ERROR(BeforeChange(offset, length_bytes));
  return next.Discard(offset, length_bytes);
}

absl::Status TargetPlugin::BeforeChange(uint64_t offset, uint64_t length_bytes) {
  BATON_RETURN_IF_ERROR(run_->CheckReadable());
  if (length_bytes == 0) return absl::OkStatus();
  const absl::Status status =
      run_->PreserveAndLand(run_->geometry().Touching(offset, length_bytes));
  if (!status.ok()) return absl::IsAborted(status) ? status : AsCopyFailure(status);
  return run_->CheckReadable();
}

}  // namespace baton
