// What Prometheus is told of a controller. docs/observation.md has the list.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "cli/control/control.pb.h"
#include "cli/http/copy_rates.h"
#include "cli/http/volume_series.h"
#include "engine/base/first_writes.h"
#include "fs/io_counters.h"

namespace baton::http {

// Everything that was found out for one answer.
struct Observation {
  control::ControllerStatus status;         // as `baton status` has it
  std::optional<fs::MountIo> io;            // missing: the mount is not served
  std::optional<FirstWrites> first_writes;  // missing: this controller owns nothing
  std::optional<size_t> volumes;            // of the pool; missing: that is not known
  VolumeCounts volume_counts = {};          // of `io`
  std::map<uint64_t, CopyRate> rates = {};  // by clone
};

std::string MetricsText(const Observation& observation);

}  // namespace baton::http
