// Hands the mount over to another process of the program as it is installed now.
#pragma once

#include <absl/status/statusor.h>

#include "cli/control/control.pb.h"
#include "cli/keeper/keeper_client.h"

namespace baton {

// Has the keeper do so. FailedPrecondition: why not; this process goes on. Any thread.
absl::StatusOr<control::UpgradeStarted> AskForUpgrade(keeper::KeeperClient& keeper_client);

}  // namespace baton
