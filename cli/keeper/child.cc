#include "cli/keeper/child.h"

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <string_view>

#include "engine/base/boot_time.h"
#include "engine/base/errno_status.h"
#include "engine/base/status.h"

namespace baton::keeper {
namespace {

// Of the keeper's environment, what is not its own: the notify socket and what systemd passes.
std::vector<std::string> EnvironmentFor(int channel) {
  std::vector<std::string> result = {fmt::format("{}={}", kChannelVariable, channel)};
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (!text.starts_with("NOTIFY_SOCKET=") && !text.starts_with("LISTEN_") &&
        !text.starts_with("WATCHDOG_")) {
      result.emplace_back(text);
    }
  }
  return result;
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// posix_spawn, not fork: a locked process is not copied. The signals that the keeper takes itself
// are as usual in the child.
int SpawnProcess(const std::string& program, const std::vector<std::string>& arguments, int channel,
                 pid_t& pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  // Onto itself: that takes its close-on-exec off, in the child alone.
  posix_spawn_file_actions_adddup2(&actions, channel, channel);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  const std::vector<std::string> environment = EnvironmentFor(channel);
  const int error = ::posix_spawn(&pid, program.c_str(), &actions, &attributes,
                                  Pointers(arguments).data(), Pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

absl::StatusOr<UniqueFd> OpenPidfd(pid_t pid) {
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (pidfd.valid()) return pidfd;
  return ErrnoStatus(errno, "watch", fmt::format("process {}", pid));
}

}  // namespace

absl::Duration Monotonic() {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return absl::DurationFromTimespec(now);
}

int64_t BootNanoseconds() { return absl::ToInt64Nanoseconds(BootTime()); }

std::string IdentifyProgram(const std::string& path) {
  struct stat file = {};
  if (::stat(path.c_str(), &file) != 0) return "";
  return fmt::format("{}/{}/{}/{}.{}", file.st_dev, file.st_ino, file.st_size, file.st_mtim.tv_sec,
                     file.st_mtim.tv_nsec);
}

absl::StatusOr<std::unique_ptr<Child>> Child::Spawn(const std::string& program,
                                                    const std::vector<std::string>& arguments) {
  std::string identity = IdentifyProgram(program);
  BATON_ASSIGN_OR_RETURN(auto ends, Channel::Pair());
  pid_t pid = 0;
  if (const int error = SpawnProcess(program, arguments, ends.second.get(), pid)) {
    return ErrnoStatus(error, "start", program);
  }
  absl::StatusOr<UniqueFd> pidfd = OpenPidfd(pid);
  if (!pidfd.ok()) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    return pidfd.status();
  }
  std::unique_ptr<Child> child(
      new Child(pid, /*ours=*/true, *std::move(pidfd), std::move(ends.first)));
  child->program_ = std::move(identity);
  return child;
}

absl::StatusOr<std::unique_ptr<Child>> Child::Attach(pid_t pid, UniqueFd socket) {
  BATON_ASSIGN_OR_RETURN(UniqueFd pidfd, OpenPidfd(pid));
  return std::unique_ptr<Child>(
      new Child(pid, /*ours=*/false, std::move(pidfd), std::move(socket)));
}

Child::~Child() {
  if (reaped_ || !ours_) return;
  Kill();
  if (HasEnded()) Reap();
}

bool Child::HasEnded() const {
  pollfd end = {.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
  return ::poll(&end, 1, 0) > 0;
}

void Child::Kill() { ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0); }

Ending Child::Reap() {
  reaped_ = true;
  int status = 0;
  if (ours_) {
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    return Describe(status);
  }
  if (goodbye) return Describe(goodbye->exit_code() << 8);
  return {.text = "ended; why is not known, it was another keeper's child",
          .exit_code = {},
          .killed = false};
}

Ending Child::Describe(int wait_status) const {
  if (WIFSIGNALED(wait_status)) {
    const int signal = WTERMSIG(wait_status);
    return {.text = fmt::format("was killed by signal {} ({})", signal, ::sigdescr_np(signal)),
            .exit_code = {},
            .killed = signal == SIGKILL && !hung};
  }
  const int code = WEXITSTATUS(wait_status);
  std::string text = fmt::format("exited with status {}", code);
  if (goodbye && !goodbye->reason().empty()) text += ": " + goodbye->reason();
  return {.text = std::move(text), .exit_code = code, .killed = false};
}

}  // namespace baton::keeper
