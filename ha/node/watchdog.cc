#include "ha/node/watchdog.h"

#include <absl/time/clock.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <utility>

#include "engine/base/errno_status.h"
#include "engine/base/status.h"

namespace baton::ha {
namespace {

// A process that was killed still has the device for a moment after its locks are free.
constexpr int kTries = 50;
constexpr absl::Duration kPause = absl::Milliseconds(20);
constexpr char kFood = '\0';
constexpr char kMagicClose = 'V';
// /dev/watchdog is another name of /dev/watchdog0, and sysfs knows the latter alone.
constexpr unsigned kOldMajor = 10;
constexpr unsigned kOldMinor = 130;

absl::Status Refuse(const std::string& device, const std::string& why) {
  return Error(absl::StatusCode::kInvalidArgument, "the watchdog {} {}", device, why);
}

absl::StatusOr<dev_t> NumberOf(const std::string& device) {
  struct stat found {};
  if (::stat(device.c_str(), &found) != 0) {
    return Annotate(ErrnoStatus(errno, "look at", device),
                    "there is no watchdog: load its driver, or leave pair.watchdog_device empty");
  }
  if (!S_ISCHR(found.st_mode)) return Refuse(device, "is no character device");
  return found.st_rdev;
}

std::string SysfsOf(dev_t number) {
  if (major(number) == kOldMajor && minor(number) == kOldMinor) {
    return "/sys/class/watchdog/watchdog0";
  }
  return fmt::format("/sys/dev/char/{}:{}", major(number), minor(number));
}

// False only where sysfs is there and tells so.
bool MayBeWatchdog(dev_t number) {
  if (major(number) == kOldMajor && minor(number) == kOldMinor) return true;
  std::error_code error;
  const std::filesystem::path subsystem =
      std::filesystem::read_symlink(SysfsOf(number) + "/subsystem", error);
  if (error) return !std::filesystem::exists("/sys/dev/char", error);
  return subsystem.filename() == "watchdog";
}

// Whether its driver never stops it, which cannot be asked of the device.
bool NeverStops(dev_t number) {
  int answer = 0;
  return std::ifstream(SysfsOf(number) + "/nowayout") >> answer && answer != 0;
}

}  // namespace

absl::Status Watchdog::CheckDevice(const std::string& device) {
  BATON_ASSIGN_OR_RETURN(const dev_t number, NumberOf(device));
  if (!MayBeWatchdog(number)) return Refuse(device, "is none");
  if (!NeverStops(number)) return absl::OkStatus();
  return Refuse(device,
                "cannot be stopped, so that a handover would end in a reset: load its "
                "driver with nowayout=0");
}

absl::StatusOr<std::unique_ptr<Watchdog>> Watchdog::Start(const Options& options) {
  BATON_ASSIGN_OR_RETURN(std::unique_ptr<Watchdog> watchdog, Open(options.device));
  const absl::Status set = watchdog->Set(options.time);
  if (set.ok()) return watchdog;
  watchdog->Stop().IgnoreError();
  return set;
}

absl::Status Watchdog::StopLeftRunning(const Options& options) {
  BATON_ASSIGN_OR_RETURN(const std::unique_ptr<Watchdog> watchdog, Open(options.device));
  return watchdog->Stop();
}

absl::StatusOr<std::unique_ptr<Watchdog>> Watchdog::Open(const std::string& device) {
  BATON_RETURN_IF_ERROR(CheckDevice(device));
  for (int left = kTries; true; --left) {
    UniqueFd fd(::open(device.c_str(), O_WRONLY | O_CLOEXEC));
    if (fd.valid()) return std::unique_ptr<Watchdog>(new Watchdog(device, std::move(fd)));
    if (errno != EBUSY) return ErrnoStatus(errno, "open the watchdog", device);
    if (left == 0) break;
    absl::SleepFor(kPause);
  }
  return Error(absl::StatusCode::kUnavailable,
               "the watchdog {} is in use: another program feeds it (systemd's RuntimeWatchdogSec, "
               "watchdog, sbd)",
               device);
}

absl::Status Watchdog::Set(absl::Duration time) {
  watchdog_info info{};
  if (::ioctl(fd_.get(), WDIOC_GETSUPPORT, &info) != 0) {
    return Refuse(device_, "is none");
  }
  if ((info.options & WDIOF_MAGICCLOSE) == 0) return Refuse(device_, "cannot be stopped");
  const int wanted = static_cast<int>(absl::ToInt64Seconds(time));
  int seconds = wanted;
  if (::ioctl(fd_.get(), WDIOC_SETTIMEOUT, &seconds) != 0) {
    return ErrnoStatus(errno, fmt::format("set to {} s the watchdog", wanted), device_);
  }
  if (seconds != wanted) {
    return Refuse(device_, fmt::format("cannot be set to {} s, but to {} s: choose that as "
                                       "pair.watchdog_seconds on all nodes",
                                       wanted, seconds));
  }
  spdlog::info("{} ({}) resets this node {} s after the last renewal of the lease", device_,
               reinterpret_cast<const char*>(info.identity), seconds);
  return absl::OkStatus();
}

void Watchdog::Feed() {
  const absl::Status fed = Write(kFood);
  if (!fed.ok()) spdlog::error("this node will be reset: {}", Message(fed));
}

absl::Status Watchdog::Stop() {
  BATON_RETURN_IF_ERROR(Write(kMagicClose));
  fd_ = UniqueFd();
  return absl::OkStatus();
}

absl::Status Watchdog::Write(char character) {
  if (::write(fd_.get(), &character, 1) == 1) return absl::OkStatus();
  return ErrnoStatus(errno, "write to the watchdog", device_);
}

}  // namespace baton::ha
