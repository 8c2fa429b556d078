#include "tests/system/faulty_fs/faults.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <absl/time/clock.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

namespace baton::faulty {

bool Faults::Tell(const std::string& line) {
  const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
  if (words.empty()) return false;
  if (words.size() == 1) {
    if (words[0] != "heal" && words[0] != "fence") return false;
    absl::MutexLock lock(&mutex_);
    kind_ = Kind::kNone;
    fences_ += words[0] == "fence";
    return true;
  }
  Scope scope = Scope::kAll;
  if (words[0] == "writes") {
    scope = Scope::kWrites;
  } else if (words[0] == "syncs") {
    scope = Scope::kSyncs;
  } else if (words[0] != "all") {
    return false;
  }
  int64_t delay_ms = 0;
  const bool delay = words.size() == 3 && absl::SimpleAtoi(words[2], &delay_ms);
  if (words[1] == "delay" && delay) {
    Begin(Kind::kDelay, scope, delay_ms);
  } else if (words[1] == "eio") {
    Begin(Kind::kError, scope, 0);
  } else if (words[1] == "hang") {
    Begin(Kind::kHang, scope, 0);
  } else if (words[1] == "stuck") {
    Begin(Kind::kStuck, scope, 0);
  } else {
    return false;
  }
  return true;
}

void Faults::Begin(Kind kind, Scope scope, int64_t delay_ms) {
  absl::MutexLock lock(&mutex_);
  kind_ = kind;
  scope_ = scope;
  delay_ = absl::Milliseconds(delay_ms);
  met_ = 0;
}

bool Faults::Concerns(Operation operation) const {
  switch (scope_) {
    case Scope::kAll:
      return true;
    case Scope::kWrites:
      return operation == Operation::kWrite || operation == Operation::kSync;
    case Scope::kSyncs:
      return operation == Operation::kSync;
  }
  return true;
}

int Faults::Meet(Operation operation, pid_t caller) {
  absl::MutexLock lock(&mutex_);
  if (kind_ == Kind::kNone || !Concerns(operation)) return 0;
  ++met_;
  if (kind_ == Kind::kError) return -EIO;
  if (kind_ == Kind::kHang || kind_ == Kind::kStuck) return WaitForTheEnd(caller);
  const absl::Duration delay = delay_;
  mutex_.Unlock();
  absl::SleepFor(delay);
  mutex_.Lock();
  return 0;
}

int Faults::WaitForTheEnd(pid_t caller) {
  const uint64_t fences = fences_;
  while (kind_ == Kind::kHang || kind_ == Kind::kStuck) {
    const auto is_over = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return kind_ != Kind::kHang && kind_ != Kind::kStuck;
    };
    mutex_.AwaitWithTimeout(absl::Condition(&is_over), absl::Milliseconds(20));
    if (kind_ == Kind::kHang && IsKilled(caller)) return -EINTR;
  }
  return fences_ != fences || kind_ == Kind::kError ? -EIO : 0;
}

uint64_t Faults::met() const {
  absl::MutexLock lock(&mutex_);
  return met_;
}

bool Faults::IsKilled(pid_t process) const {
  const int fd = ::openat(proc_, (std::to_string(process) + "/status").c_str(), O_RDONLY);
  if (fd < 0) return true;
  char text[4096] = {};
  const ssize_t length = ::read(fd, text, sizeof(text) - 1);
  ::close(fd);
  if (length <= 0) return true;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (line.substr(0, 7) != "SigPnd:" && line.substr(0, 7) != "ShdPnd:") continue;
    uint64_t pending = 0;
    if (absl::SimpleHexAtoi(absl::StripAsciiWhitespace(line.substr(7)), &pending) &&
        (pending >> (SIGKILL - 1) & 1) != 0) {
      return true;
    }
  }
  return false;
}

}  // namespace baton::faulty
