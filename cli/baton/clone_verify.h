// The comparison of a clone's target with T0.
#pragma once

#include <absl/status/statusor.h>

#include <string>

#include "cli/baton/command_context.h"

namespace baton {

// Shows how far it is. `id`: CloneNumber(). Cancelled: interrupted, once CatchInterrupts was
// called.
absl::StatusOr<control::VerifyJob> CallVerify(CommandContext& context, const std::string& id);

}  // namespace baton
