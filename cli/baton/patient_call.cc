#include "cli/baton/patient_call.h"

#include <absl/time/clock.h>

#include "cli/baton/interrupt.h"
#include "engine/base/boot_time.h"
#include "engine/base/status.h"

namespace baton {
namespace {

constexpr absl::Duration kAgain = absl::Milliseconds(50);

}  // namespace

bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsAborted(status);
}

absl::StatusOr<control::Response> CallPatiently(control::ControlClient& client,
                                                const control::Request& request,
                                                absl::Duration limit) {
  const bool was_interrupted = Interrupted();
  const absl::Duration deadline = BootTime() + limit;
  while (true) {
    absl::StatusOr<control::Response> response = client.Call(request);
    if (response.ok() || !MayPass(response.status()) || BootTime() >= deadline) return response;
    absl::SleepFor(kAgain);
    if (Interrupted() && !was_interrupted) {
      return Error(absl::StatusCode::kCancelled, "interrupted");
    }
  }
}

absl::Status DeleteClosedVolume(control::ControlClient& client, const std::string& name,
                                absl::Duration grace) {
  control::Request request;
  request.mutable_volume_delete()->set_name(name);
  const absl::Duration deadline = BootTime() + grace;
  while (true) {
    const absl::Status status = client.Call(request).status();
    if (!absl::IsFailedPrecondition(status) || BootTime() >= deadline) return status;
    absl::SleepFor(kAgain);
  }
}

}  // namespace baton
