// Another program that works for a command of `baton`: its output is read as it comes.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/base/unique_fd.h"

namespace baton {

// One thread. The destructor kills the program, if it runs, and waits for its end. It is in the
// process group of this one: Ctrl-C ends both.
class ChildProgram {
 public:
  // How the program can name the file that it has as its standard input.
  static constexpr char kInputPath[] = "/proc/self/fd/0";

  // `arguments` begin with the program, which is looked for in PATH. `input` becomes its standard
  // input, from the beginning on. FailedPrecondition: it is not installed; the message says so.
  static absl::StatusOr<std::unique_ptr<ChildProgram>> Start(
      const std::vector<std::string>& arguments, int input);
  ~ChildProgram();
  ChildProgram(const ChildProgram&) = delete;
  ChildProgram& operator=(const ChildProgram&) = delete;

  // What it writes to its standard output, at least a byte; 0: it has closed it.
  absl::StatusOr<size_t> Read(char* out, size_t size_bytes);
  // Waits for its end. FailedPrecondition with the last line of its standard error: it failed.
  absl::Status Finish();

 private:
  ChildProgram(std::string name, pid_t pid, UniqueFd output, UniqueFd errors)
      : name_(std::move(name)), pid_(pid), output_(std::move(output)), errors_(std::move(errors)) {}

  int Reap();
  std::string LastError() const;

  const std::string name_;
  pid_t pid_;  // 0: reaped
  const UniqueFd output_;
  const UniqueFd errors_;  // a file in memory
};

}  // namespace baton
