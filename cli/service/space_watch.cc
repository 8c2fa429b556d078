#include "cli/service/space_watch.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <utility>

#include "engine/base/limits.h"
#include "engine/base/names.h"
#include "engine/lease/reserve.h"

namespace baton {
namespace {

constexpr absl::Duration kMeasureEvery = absl::Seconds(2);
constexpr absl::Duration kPaceOver = absl::Minutes(10);
// Less tells nothing of a pace.
constexpr absl::Duration kShortestPace = absl::Seconds(10);
constexpr absl::Duration kFarAway = absl::Hours(24 * 365);
// A level is left when so much more than its limit is free: nobody wants it to come and go.
constexpr double kLeaveFactor = 1.1;

// Zeros when the log is no file.
SpaceReading MeasureLog() {
  struct stat file;
  struct statvfs space;
  if (::fstat(STDERR_FILENO, &file) != 0 || !S_ISREG(file.st_mode)) return {};
  if (::fstatvfs(STDERR_FILENO, &space) != 0) return {};
  return {.free_bytes = space.f_bavail * space.f_frsize,
          .total_bytes = space.f_blocks * space.f_frsize,
          .reserve_bytes = 0};
}

void AddAlarm(SpaceLevel level, const std::string& text, SpaceStatus& status) {
  switch (level) {
    case SpaceLevel::kEnough:
      return;
    case SpaceLevel::kWarning:
      status.warnings.push_back(text);
      return;
    case SpaceLevel::kCritical:
      status.critical.push_back(text);
      return;
  }
}

}  // namespace

void SpaceGauge::Note(absl::Duration now, uint64_t free_bytes, uint64_t total_bytes) {
  if (total_bytes == 0) return;
  total_bytes_ = total_bytes;
  samples_.push_back({now, free_bytes});
  while (now - samples_.front().at > kPaceOver) samples_.pop_front();
  const auto limit = [this](SpaceLevel level, double percent) {
    return level_ >= level ? percent * kLeaveFactor : percent;
  };
  const double free_percent = FreePercent();
  if (free_bytes == 0 || free_percent < limit(SpaceLevel::kCritical, levels_.critical_percent)) {
    level_ = SpaceLevel::kCritical;
  } else if (free_percent < limit(SpaceLevel::kWarning, levels_.warning_percent)) {
    level_ = SpaceLevel::kWarning;
  } else {
    level_ = SpaceLevel::kEnough;
  }
}

double SpaceGauge::FreePercent() const {
  return 100.0 * static_cast<double>(free_bytes()) / static_cast<double>(total_bytes_);
}

absl::Duration SpaceGauge::TimeToFull() const {
  if (samples_.empty()) return absl::InfiniteDuration();
  const Sample& first = samples_.front();
  const Sample& last = samples_.back();
  if (last.free_bytes == 0) return absl::ZeroDuration();
  const absl::Duration over = last.at - first.at;
  if (over < kShortestPace || last.free_bytes >= first.free_bytes) return absl::InfiniteDuration();
  const absl::Duration left = over * (static_cast<double>(last.free_bytes) /
                                      static_cast<double>(first.free_bytes - last.free_bytes));
  return left < kFarAway ? left : absl::InfiniteDuration();
}

std::string SpaceGauge::Text() const {
  const std::string text =
      fmt::format("{} has {} of {} free ({:.0f} %)", name_, FormatSize(free_bytes()),
                  FormatSize(total_bytes_), total_bytes_ == 0 ? 0 : FreePercent());
  const absl::Duration left = TimeToFull();
  if (left == absl::InfiniteDuration() || left == absl::ZeroDuration()) return text;
  return fmt::format("{}, and is full in {} at the present pace", text, FormatElapsed(left));
}

void SpaceWatch::Note(const SpaceReading& pool) {
  const SpaceReading log = MeasureLog();
  const absl::Duration now = runtime_.BootTime();
  {
    absl::MutexLock guard(&mutex_);
    pool_.Note(now, pool.free_bytes, pool.total_bytes);
    log_.Note(now, log.free_bytes, log.total_bytes);
    if (pool.total_bytes != 0) NoteReserve(pool.reserve_bytes);
  }
  LogChanges(Describe());
}

void SpaceWatch::NoteReserve(uint64_t bytes) {
  const bool is_short = bytes < limits::kReserveBytes;
  reserve_is_short_ = is_short && reserve_was_short_;
  reserve_was_short_ = is_short;
  reserve_bytes_ = bytes;
}

SpaceStatus SpaceWatch::Describe() const {
  SpaceStatus status;
  absl::MutexLock guard(&mutex_);
  status.pool = {.free_bytes = pool_.free_bytes(),
                 .total_bytes = pool_.total_bytes(),
                 .reserve_bytes = reserve_bytes_};
  status.time_to_full = pool_.TimeToFull();
  AddAlarm(pool_.level(), pool_.Text(), status);
  AddAlarm(log_.level(), log_.Text(), status);
  if (reserve_is_short_) {
    status.warnings.push_back(
        fmt::format("the pool's reserve has {} of {}: on a full storage no controller could start",
                    FormatSize(reserve_bytes_), FormatSize(limits::kReserveBytes)));
  }
  return status;
}

void SpaceWatch::LogChanges(const SpaceStatus& status) {
  const SpaceLevel level = !status.critical.empty()   ? SpaceLevel::kCritical
                           : !status.warnings.empty() ? SpaceLevel::kWarning
                                                      : SpaceLevel::kEnough;
  {
    absl::MutexLock guard(&mutex_);
    if (std::exchange(logged_, level) == level) return;
  }
  for (const std::string& text : status.critical) spdlog::error("space: {}", text);
  for (const std::string& text : status.warnings) spdlog::warn("space: {}", text);
  if (level == SpaceLevel::kEnough) spdlog::info("space: there is enough again");
}

SpaceMeter::SpaceMeter(Storage& storage, Runtime& runtime, SpaceWatch& watch)
    : storage_(storage), watch_(watch), stop_(runtime) {
  Measure();
  thread_ = runtime.StartThread("space-meter", [this] {
    while (stop_.Rest(kMeasureEvery)) Measure();
  });
}

SpaceMeter::~SpaceMeter() {
  stop_.Stop();
  thread_.reset();
}

void SpaceMeter::Measure() { watch_.Note(MeasureSpace(storage_)); }

}  // namespace baton
