// What outlives controllers, and where a keeper that starts finds it.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>

#include "cli/keeper/child.h"
#include "engine/base/unique_fd.h"
#include "fs/mount.h"
#include "ha/io/unix_listener.h"

namespace baton::keeper {

// Requests for the mount wait in the kernel and commands in the listener's queue as long as
// somebody holds these.
struct MountState {
  std::unique_ptr<fs::Mount> mount;
  std::unique_ptr<ha::UnixListener> listener;
  UniqueFd open_table = UniqueFd();  // fs::OpenTable
  std::string init_answer;           // how FUSE_INIT was answered; empty before anybody served
  uint64_t restarts = 0;
  std::string pool;                      // Facts::pool
  bool writes_end_with_process = false;  // Facts
  std::string node;                      // Facts
  std::string pool_directory;            // Facts
  std::unique_ptr<Child> child;          // a controller that lost its keeper, or null
};

// From a controller that goes on without a keeper. NotFound: there is none. FailedPrecondition: it
// serves another mount point than `mount`.
absl::StatusOr<MountState> TakeFromController(const std::string& control, const std::string& mount);

// Does `wanted`, of a command line, name the mount point `served`? Never asks the mount.
bool IsMountPoint(const std::string& served, const std::string& wanted);

}  // namespace baton::keeper
