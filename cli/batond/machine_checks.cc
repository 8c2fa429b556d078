#include "cli/batond/machine_checks.h"

#include <absl/strings/numbers.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/timex.h>
#include <sys/utsname.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <system_error>

#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "engine/base/unique_fd.h"
#include "engine/base/virtual_machine.h"

namespace baton {
namespace {

// From here on the kernel delivers again what a controller that ended had not answered.
constexpr int kResendMajor = 6;
constexpr int kResendMinor = 9;

Finding CheckKernel() {
  utsname name = {};
  ::uname(&name);
  int major = 0;
  int minor = 0;
  const bool known = std::sscanf(name.release, "%d.%d", &major, &minor) == 2;
  const bool resends =
      !known || major > kResendMajor || (major == kResendMajor && minor >= kResendMinor);
  if (resends) return Good("kernel", name.release);
  return Doubtful("kernel",
                  fmt::format("{}: before Linux 6.9 no controller can go on with the mount of one "
                              "that ended; use a newer kernel",
                              name.release));
}

Finding CheckFuse() {
  const UniqueFd device(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (device.valid()) {
    return Good("fuse", "/dev/fuse can be opened");
  }
  const std::string why = std::generic_category().message(errno);
  return Bad("fuse",
             fmt::format("/dev/fuse cannot be opened ({}): run as root, and `modprobe fuse`; in "
                         "a container the device must be passed in",
                         why));
}

// After RaiseDescriptorLimit.
Finding CheckLimits() {
  rlimit files = {};
  ::getrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur < limits::kDescriptors) {
    return Doubtful("limits",
                    fmt::format("at most {} files can be open, and a full pool needs {}: raise "
                                "LimitNOFILE, or ulimit -n",
                                files.rlim_cur, limits::kDescriptors));
  }
  return Good("limits", fmt::format("{} files can be open", files.rlim_cur));
}

Finding CheckClock() {
  timex state = {};
  const bool is_synchronised = ::adjtimex(&state) != TIME_ERROR;
  const std::string source = ClockSource();
  const std::string text = source.empty() ? "" : "clock source " + source + "; ";
  if (is_synchronised) {
    return Good("clock", text + "the time is synchronised");
  }
  return Doubtful("clock",
                  text +
                      "the time is not synchronised: times of volumes and events are as wrong as "
                      "it is; run chrony or systemd-timesyncd");
}

Finding CheckHypervisor(const PairOptions& pair) {
  if (const std::optional<std::string> warning = WarnOfPauses(pair)) {
    return Doubtful("hypervisor", *warning);
  }
  const std::optional<std::string> machine = VirtualMachine();
  return Good("hypervisor", machine ? "a virtual machine (" + *machine + ")" : "none");
}

}  // namespace

std::vector<Finding> CheckMachine(const DaemonOptions& options) {
  return {CheckKernel(), CheckFuse(), CheckLimits(), CheckClock(), CheckHypervisor(options.pair)};
}

std::optional<std::string> WarnOfPauses(const PairOptions& pair) {
  const bool takes_over_by_clock =
      !pair.network.peers.empty() && pair.coordinator.takeover != ha::Takeover::kManual;
  if (!takes_over_by_clock || !pair.fence.program.empty()) return std::nullopt;
  const std::optional<std::string> machine = VirtualMachine();
  if (!machine) return std::nullopt;
  return fmt::format(
      "this is a virtual machine ({}), and there is no fence command: if it is paused and resumed, "
      "what it writes late may lie over newer data; set fence.command",
      *machine);
}

}  // namespace baton
