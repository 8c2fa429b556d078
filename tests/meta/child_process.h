// A process of its own for a part of a test. Not a fork alone: RocksDB's threads of the parent
// would be missing in it. What such a process does is one of the functions below; main.cc calls
// it in this same program.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace baton {

using Arguments = std::vector<std::string>;

// An old owner, until its store fails. Arguments: pool, epoch, first number.
void WriteAsZombie(const Arguments& arguments);
// Writes rows, then ends without closing or flushing anything. Arguments: directory, first row.
void WriteRowsAndDie(const Arguments& arguments);
// Takes a NodeLock, dies by SIGKILL. Arguments: pool, node.
void TakeNodeLockAndDie(const Arguments& arguments);

// Killed by the destructor unless waited for.
class ChildProcess {
 public:
  // `name`: of one of the functions above.
  ChildProcess(const std::string& name, const Arguments& arguments) : pid_(::fork()) {
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that aborts leaves nobody behind
    std::vector<const char*> words = {"child", "--child", name.c_str()};
    for (const std::string& argument : arguments) words.push_back(argument.c_str());
    words.push_back(nullptr);
    ::execv("/proc/self/exe", const_cast<char**>(words.data()));
    ::_exit(127);
  }
  ~ChildProcess() { Kill(); }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // As waitpid says.
  int Wait() {
    int status = -1;
    EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
    pid_ = -1;
    return status;
  }
  // Without waiting.
  bool HasEnded() {
    if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
    return pid_ <= 0;
  }
  void Kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    Wait();
  }

 private:
  pid_t pid_;
};

}  // namespace baton
