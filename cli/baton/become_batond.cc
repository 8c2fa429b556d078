#include "cli/baton/become_batond.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "engine/base/errno_status.h"

namespace baton {

absl::StatusOr<ExitCode> BecomeBatond(std::vector<std::string> arguments) {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::string beside = (self.parent_path() / "batond").string();
  const std::string program = ::access(beside.c_str(), X_OK) == 0 ? beside : "batond";
  arguments.insert(arguments.begin(), program);
  std::vector<char*> words;
  for (std::string& argument : arguments) words.push_back(argument.data());
  words.push_back(nullptr);
  ::execvp(program.c_str(), words.data());
  return ErrnoStatus(errno, "start", program);
}

}  // namespace baton
