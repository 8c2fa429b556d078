// Keeps a kind of log line that applications can provoke from flooding the log.
#pragma once

#include <absl/synchronization/mutex.h>
#include <spdlog/spdlog.h>

#include <optional>
#include <utility>

#include "engine/base/runtime.h"

namespace baton::fs {

// Lets kLogLinesPerPeriod lines through in each kLogPeriod; the first line of a later period says
// how many were left out. Thread-safe.
class LogLimiter {
 public:
  explicit LogLimiter(Runtime& runtime) : runtime_(runtime) {}

  template <typename... Args>
  void Warn(fmt::format_string<Args...> format, Args&&... args) {
    const std::optional<uint64_t> left_out = Admit();
    if (!left_out) return;
    const std::string line = fmt::format(format, std::forward<Args>(args)...);
    if (*left_out == 0) {
      spdlog::warn("{}", line);
    } else {
      spdlog::warn("{} (and {} lines like it left out)", line, *left_out);
    }
  }

  // The number of lines left out before this one; nullopt when this one is left out too.
  std::optional<uint64_t> Admit();

 private:
  Runtime& runtime_;
  absl::Mutex mutex_;
  absl::Duration period_end_ ABSL_GUARDED_BY(mutex_);
  int lines_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t left_out_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace baton::fs
