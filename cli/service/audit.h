// Who asked for which command, and whether it was carried out.
#pragma once

#include <absl/status/status.h>

#include <functional>
#include <string>

#include "cli/control/control.pb.h"
#include "engine/base/log_limiter.h"
#include "engine/base/runtime.h"

namespace baton::control {

// "clone activate 7", as it was asked for; empty: it only asks and changes nothing.
std::string DescribeChange(const Request& request);
// "user 0 (process 312 on node left)".
std::string DescribeCaller(const Caller& caller);

// Tells of each command that changes something, one line: "clone stop 4 was asked for by user 0
// (process 312 on node left): refused: ...". Thread-safe.
class Audit {
 public:
  // Takes a line for the events and the log, or for the log only (`in_events` is false: the events
  // must not be flooded with what was refused).
  using Sink = std::function<void(const std::string& line, bool in_events)>;

  Audit(Runtime& runtime, Sink sink);

  void Note(const Request& request, const absl::Status& outcome);

 private:
  const Sink sink_;  // empty: nobody listens
  LogLimiter refusals_;
};

}  // namespace baton::control
