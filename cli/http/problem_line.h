// One line that says what is wrong, for as long as it is.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <string>
#include <utility>

namespace baton::http {

// Thread-safe. Empty: nothing is wrong.
class ProblemLine {
 public:
  void Set(std::string line) {
    absl::MutexLock lock(&mutex_);
    line_ = std::move(line);
  }
  std::string Get() const {
    absl::MutexLock lock(&mutex_);
    return line_;
  }

 private:
  mutable absl::Mutex mutex_;
  std::string line_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton::http
