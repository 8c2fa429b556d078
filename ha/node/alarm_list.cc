#include "ha/node/alarm_list.h"

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

std::vector<action::RaiseAlarm> AlarmList::Raised() const {
  absl::MutexLock lock(&mutex_);
  std::vector<action::RaiseAlarm> raised;
  for (const auto& [alarm, text] : texts_) raised.push_back({.alarm = alarm, .text = text});
  return raised;
}

}  // namespace baton::ha
