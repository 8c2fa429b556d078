#include "cli/batond/ask_for_upgrade.h"

#include <unistd.h>

#include "engine/base/status.h"

namespace baton {

absl::StatusOr<control::UpgradeStarted> AskForUpgrade(keeper::KeeperClient& keeper_client) {
  BATON_ASSIGN_OR_RETURN(const keeper::UpgradeAnswer answer, keeper_client.AskForUpgrade());
  if (!answer.refused().empty()) {
    return Error(absl::StatusCode::kFailedPrecondition, "no upgrade: {}; process {} goes on",
                 answer.refused(), ::getpid());
  }
  control::UpgradeStarted started;
  started.set_old_pid(static_cast<uint32_t>(::getpid()));
  started.set_old_version(BATON_VERSION);
  started.set_new_pid(answer.pid());
  started.set_new_version(answer.version());
  return started;
}

}  // namespace baton
