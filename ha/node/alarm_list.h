// The alarms that are raised on this node.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <map>
#include <string>
#include <vector>

#include "ha/core/events.h"

namespace baton::ha {

// Logs each change. Thread-safe.
class AlarmList {
 public:
  void Raise(const action::RaiseAlarm& alarm);
  void Clear(const action::ClearAlarm& alarm);
  std::vector<action::RaiseAlarm> Raised() const;

 private:
  mutable absl::Mutex mutex_;
  std::map<Alarm, std::string> texts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton::ha
