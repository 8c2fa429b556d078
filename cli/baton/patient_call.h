// Requests that outlast a change of the controller.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <string>

#include "cli/baton/control_client.h"

namespace baton {

// A failure of the connection, or of an owner that is just changing: it may pass.
bool MayPass(const absl::Status& status);

// Asks again while what goes wrong may pass, for at most `limit`: `request` does no harm when it is
// carried out twice. Cancelled: interrupted meanwhile.
absl::StatusOr<control::Response> CallPatiently(control::ControlClient& client,
                                                const control::Request& request,
                                                absl::Duration limit);

// A volume that this process has just closed: the kernel tells the mount of that a moment later.
// Asks again for so long while it is open.
absl::Status DeleteClosedVolume(control::ControlClient& client, const std::string& name,
                                absl::Duration grace = absl::Seconds(5));

}  // namespace baton
