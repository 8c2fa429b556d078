// What the checker did lately, and the first thing that was wrong.
#pragma once

#include <absl/synchronization/mutex.h>
#include <fmt/format.h>

#include <atomic>
#include <deque>
#include <string>
#include <utility>

namespace baton::checker {

// Thread-safe.
class Log {
 public:
  void Note(std::string line) {
    absl::MutexLock lock(&mutex_);
    lines_.push_back(std::move(line));
    if (lines_.size() > kLines) lines_.pop_front();
  }
  // The first one counts; with the lines that led to it.
  void Violate(const std::string& what) {
    absl::MutexLock lock(&mutex_);
    if (failed_.exchange(true)) return;
    violation_ = what + "\nafter:";
    for (const std::string& line : lines_) violation_ += "\n  " + line;
  }
  bool failed() const { return failed_; }
  std::string violation() const {
    absl::MutexLock lock(&mutex_);
    return violation_;
  }

 private:
  static constexpr size_t kLines = 40;

  mutable absl::Mutex mutex_;
  std::deque<std::string> lines_ ABSL_GUARDED_BY(mutex_);
  std::string violation_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> failed_{false};
};

}  // namespace baton::checker
