#include "ha/node/fence_command.h"

#include <absl/strings/ascii.h>
#include <absl/strings/str_replace.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>

#include "engine/base/errno_status.h"
#include "engine/base/status.h"
#include "engine/base/unique_fd.h"

namespace baton::ha {
namespace {

using FenceClock = std::chrono::steady_clock;

// What is kept of the output: its end.
constexpr size_t kOutputBytes = 4096;
// A pipe holds this much without a reader.
constexpr size_t kInputBytes = 4096;

std::string InputFor(const FenceCommand& command, const std::string& node, FenceAction action) {
  std::map<std::string, std::string> options = {{"nodename", node}, {"plug", node}};
  for (const auto& [name, value] : command.options) {
    options[name] = absl::StrReplaceAll(value, {{"{node}", node}});
  }
  std::string input = action == FenceAction::kOff ? "action=off\n" : "action=monitor\n";
  for (const auto& [name, value] : options) input += name + "=" + value + "\n";
  return input;
}

std::string LastLine(std::string output) {
  absl::StripTrailingAsciiWhitespace(&output);
  return output.substr(output.rfind('\n') + 1);
}

struct FencePipe {
  UniqueFd read, write;
};

absl::StatusOr<FencePipe> MakeFencePipe(int flags) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | flags) != 0) return ErrnoStatus(errno, "make", "a pipe");
  return FencePipe{.read = UniqueFd(ends[0]), .write = UniqueFd(ends[1])};
}

// The agent, in a process group of its own; killed and reaped by the destructor.
class FenceAgent {
 public:
  static absl::StatusOr<std::unique_ptr<FenceAgent>> Start(const std::string& program,
                                                           const std::string& input) {
    if (input.size() > kInputBytes) return absl::InvalidArgumentError("too many options");
    BATON_ASSIGN_OR_RETURN(FencePipe in, MakeFencePipe(0));
    BATON_ASSIGN_OR_RETURN(FencePipe out, MakeFencePipe(O_NONBLOCK));
    // Written before anybody reads: it fits, and an agent that does not read breaks nothing.
    if (::write(in.write.get(), input.data(), input.size()) < 0) {
      return ErrnoStatus(errno, "write", "the options");
    }
    pid_t pid = 0;
    const int error = Spawn(program, in.read.get(), out.write.get(), pid);
    if (error != 0) return ErrnoStatus(error, "start", program);
    return std::unique_ptr<FenceAgent>(new FenceAgent(pid, std::move(out.read)));
  }

  ~FenceAgent() { KillAndReap(); }

  // Until it has ended. False: `deadline` came first, and it was killed.
  bool Await(FenceClock::time_point deadline) {
    while (true) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - FenceClock::now()).count();
      if (left <= 0) break;
      pollfd waits[] = {{.fd = pidfd_.get(), .events = POLLIN, .revents = 0},
                        {.fd = output_fd_.get(), .events = POLLIN, .revents = 0}};
      ::poll(waits, output_fd_.valid() ? 2 : 1, static_cast<int>(std::min<long>(left, 1000)));
      // In this order: what it wrote before its end is there by then.
      const bool ended = (waits[0].revents & POLLIN) != 0;
      ReadOutput();
      if (ended) {
        Reap();
        return true;
      }
    }
    KillAndReap();
    ReadOutput();
    return false;
  }

  int wait_status() const { return wait_status_; }
  std::string last_line() const { return LastLine(output_); }

 private:
  FenceAgent(pid_t pid, UniqueFd output)
      : pid_(pid),
        pidfd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))),
        output_fd_(std::move(output)) {}

  static int Spawn(const std::string& program, int in, int out, pid_t& pid) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
    // Nothing of a controller, least of all /dev/fuse, may live on in an agent.
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    std::string name = program;
    char* arguments[] = {name.data(), nullptr};
    const int error =
        ::posix_spawn(&pid, program.c_str(), &actions, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
  }

  void ReadOutput() {
    char buffer[1024];
    while (output_fd_.valid()) {
      const ssize_t got = ::read(output_fd_.get(), buffer, sizeof buffer);
      if (got < 0 && errno == EINTR) continue;
      if (got == 0) output_fd_ = UniqueFd();  // closed: not to be polled again
      if (got <= 0) return;
      output_.append(buffer, static_cast<size_t>(got));
      if (output_.size() > kOutputBytes) output_.erase(0, output_.size() - kOutputBytes);
    }
  }

  void Reap() {
    while (::waitpid(pid_, &wait_status_, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
  }

  void KillAndReap() {
    if (pid_ == 0) return;
    ::kill(-pid_, SIGKILL);
    Reap();
  }

  pid_t pid_;
  const UniqueFd pidfd_;
  UniqueFd output_fd_;
  std::string output_;
  int wait_status_ = 0;
};

}  // namespace

absl::StatusOr<std::string> RunFenceCommand(const FenceCommand& command, const std::string& node,
                                            FenceAction action) {
  const auto deadline = FenceClock::now() + absl::ToChronoNanoseconds(command.timeout);
  BATON_ASSIGN_OR_RETURN(const auto agent,
                         FenceAgent::Start(command.program, InputFor(command, node, action)));
  if (!agent->Await(deadline)) {
    return Error(absl::StatusCode::kDeadlineExceeded, "{} was killed after {}: {}", command.program,
                 absl::FormatDuration(command.timeout), agent->last_line());
  }
  const int status = agent->wait_status();
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return agent->last_line();
  if (WIFSIGNALED(status)) {
    return Error(absl::StatusCode::kUnavailable, "{} was killed by signal {}: {}", command.program,
                 WTERMSIG(status), agent->last_line());
  }
  return Error(absl::StatusCode::kUnavailable, "{} exited with status {}: {}", command.program,
               WEXITSTATUS(status), agent->last_line());
}

}  // namespace baton::ha
