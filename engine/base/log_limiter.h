// Keeps a kind of log line that others can provoke from flooding the log.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <spdlog/spdlog.h>

#include <cstdint>
#include <optional>
#include <utility>

#include "engine/base/runtime.h"

namespace baton {

// Lets `lines` lines through in each `period`; the first line of a later period says how many were
// left out. Thread-safe.
class LogLimiter {
 public:
  LogLimiter(Runtime& runtime, int lines, absl::Duration period)
      : runtime_(runtime), lines_per_period_(lines), period_(period) {}

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
  const int lines_per_period_;
  const absl::Duration period_;
  absl::Mutex mutex_;
  absl::Duration period_end_ ABSL_GUARDED_BY(mutex_);
  int lines_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t left_out_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace baton
