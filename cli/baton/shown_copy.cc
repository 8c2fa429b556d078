#include "cli/baton/shown_copy.h"

#include <absl/time/time.h>

#include "cli/baton/interrupt.h"
#include "cli/baton/progress_meter.h"
#include "engine/base/boot_time.h"
#include "engine/base/status.h"

namespace baton {
namespace {

constexpr absl::Duration kRedrawInterval = absl::Milliseconds(200);

}  // namespace

absl::Status LocalFailure(const absl::Status& status) {
  if (status.ok() || absl::IsCancelled(status)) return status;
  return Error(absl::StatusCode::kFailedPrecondition, "{}", Message(status));
}

absl::Status CopyWithProgress(Console& console, uint64_t size_bytes,
                              const std::function<absl::Status(const CopyProgress&)>& copy) {
  ProgressMeter meter;
  absl::Duration drawn = -absl::InfiniteDuration();
  const absl::Status status = copy([&](uint64_t done_bytes) {
    const absl::Duration now = BootTime();
    if (now - drawn >= kRedrawInterval) {
      meter.Add(now, done_bytes, size_bytes);
      console.ShowProgress(meter.Line(console.width()));
      drawn = now;
    }
    return !Interrupted();
  });
  console.EndProgress();
  return LocalFailure(status);
}

}  // namespace baton
