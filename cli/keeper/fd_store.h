// The service manager's store of descriptors: with the mount in it even the death of keeper and
// controller together leaves the mount alive, until the service is started again.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <string>

#include "cli/keeper/mount_state.h"
#include "engine/base/unique_fd.h"

namespace baton::keeper {

// False: it is not kept; without a service manager nothing happens. `held.init_answer` is known.
bool StoreMount(const MountState& held);
void ForgetStoredMount();

// What the service manager has kept, by name. Call it first in any case: no other process must
// inherit that. The environment is cleared of it.
using Kept = std::map<std::string, UniqueFd>;
Kept TakeKept();
// held.listener and held.child are null. NotFound: nothing was kept, or a mount that has ended.
// FailedPrecondition: another mount point than `mount`.
absl::StatusOr<MountState> HeldFrom(Kept kept, const std::string& mount);

}  // namespace baton::keeper
