#include "cli/batond/process_limits.h"

#include <linux/capability.h>
#include <spdlog/spdlog.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "engine/base/limits.h"

namespace baton {
namespace {

// Beyond RLIMIT_MEMLOCK, that is with CAP_IPC_LOCK or without a limit: elsewhere locked memory
// makes allocations fail.
bool MayLockAllMemory() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct capabilities[_LINUX_CAPABILITY_U32S_3] = {};
  rlimit limit{};
  if (::syscall(SYS_capget, &header, capabilities) == 0 &&
      (capabilities[0].effective & (1U << CAP_IPC_LOCK)) != 0) {
    return true;
  }
  return ::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY;
}

}  // namespace

void LockMemory(Lock what) {
  const int flags = MCL_CURRENT | MCL_FUTURE | (what == Lock::kTouched ? MCL_ONFAULT : 0);
  if (!MayLockAllMemory()) {
    spdlog::info("memory is not locked: that needs CAP_IPC_LOCK, or no RLIMIT_MEMLOCK");
  } else if (::mlockall(flags) != 0) {
    spdlog::info("memory is not locked: {}", std::generic_category().message(errno));
  }
}

void RaiseDescriptorLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limits::kDescriptors) return;
  const rlimit enough{limits::kDescriptors, std::max<rlim_t>(limits::kDescriptors, limit.rlim_max)};
  if (::setrlimit(RLIMIT_NOFILE, &enough) == 0) return;
  limit.rlim_cur = std::min<rlim_t>(limits::kDescriptors, limit.rlim_max);
  if (::setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur == limits::kDescriptors) return;
  spdlog::warn(
      "at most {} files can be open, so not all {} volumes of a full pool: raise "
      "LimitNOFILE, or ulimit -n, to {}",
      limit.rlim_cur, limits::kMaxVolumes, limits::kDescriptors);
}

}  // namespace baton
