#include "cli/baton/child_program.h"

#include <absl/strings/ascii.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "engine/base/errno_status.h"
#include "engine/base/status.h"

namespace baton {
namespace {

constexpr size_t kMaxErrorBytes = 4096;

// What Debian calls the package of a program.
std::string PackageOf(const std::string& program) {
  if (program == "qemu-img") return "qemu-utils";
  return program == "xz" ? "xz-utils" : program;
}

absl::Status NotStarted(const std::string& program, int error) {
  if (error != ENOENT) return ErrnoStatus(error, "start", program);
  return Error(absl::StatusCode::kFailedPrecondition,
               "{} is needed for that and not installed: install the package {}", program,
               PackageOf(program));
}

int SpawnChild(const std::vector<std::string>& arguments, int input, int output, int errors,
               pid_t& pid) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
  const int error = ::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChildProgram>> ChildProgram::Start(
    const std::vector<std::string>& arguments, int input) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, "make", "a pipe");
  UniqueFd read_end(ends[0]);
  const UniqueFd write_end(ends[1]);
  UniqueFd errors(::memfd_create("errors", MFD_CLOEXEC));
  if (!errors.valid()) return ErrnoStatus(errno, "make", "a file in memory");
  if (::lseek(input, 0, SEEK_SET) != 0) return ErrnoStatus(errno, "read", "the file");
  pid_t pid = 0;
  const int error = SpawnChild(arguments, input, write_end.get(), errors.get(), pid);
  if (error != 0) return NotStarted(arguments.front(), error);
  return std::unique_ptr<ChildProgram>(
      new ChildProgram(arguments.front(), pid, std::move(read_end), std::move(errors)));
}

ChildProgram::~ChildProgram() {
  if (pid_ == 0) return;
  ::kill(pid_, SIGKILL);
  Reap();
}

absl::StatusOr<size_t> ChildProgram::Read(char* out, size_t size_bytes) {
  while (true) {
    const ssize_t count = ::read(output_.get(), out, size_bytes);
    if (count >= 0) return static_cast<size_t>(count);
    if (errno != EINTR) return ErrnoStatus(errno, "read the output of", name_);
  }
}

int ChildProgram::Reap() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
  return status;
}

absl::Status ChildProgram::Finish() {
  const int status = Reap();
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  const std::string how = WIFSIGNALED(status)
                              ? fmt::format("was killed by signal {}", WTERMSIG(status))
                              : fmt::format("failed: {}", LastError());
  return Error(absl::StatusCode::kFailedPrecondition, "{} {}", name_, how);
}

std::string ChildProgram::LastError() const {
  std::string text(kMaxErrorBytes, '\0');
  const off_t end = ::lseek(errors_.get(), 0, SEEK_END);
  const off_t begin = std::max<off_t>(0, end - static_cast<off_t>(kMaxErrorBytes));
  text.resize(static_cast<size_t>(
      std::max<ssize_t>(0, ::pread(errors_.get(), text.data(), text.size(), begin))));
  absl::StripTrailingAsciiWhitespace(&text);
  return text.substr(text.rfind('\n') + 1);
}

}  // namespace baton
