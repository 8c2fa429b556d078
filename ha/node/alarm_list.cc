#include "ha/node/alarm_list.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace baton::ha {

void AlarmList::Raise(const action::RaiseAlarm& alarm) {
  spdlog::error("alarm: {}: {}", Name(alarm.alarm), alarm.text);
  absl::MutexLock lock(&mutex_);
  texts_[alarm.alarm] = alarm.text;
}

void AlarmList::Clear(const action::ClearAlarm& alarm) {
  spdlog::info("the alarm is over: {}", Name(alarm.alarm));
  absl::MutexLock lock(&mutex_);
  texts_.erase(alarm.alarm);
}

std::vector<std::string> AlarmList::Lines() const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> lines;
  for (const auto& [alarm, text] : texts_) {
    lines.push_back(fmt::format("{}: {}", Name(alarm), text));
  }
  return lines;
}

}  // namespace baton::ha
