// What Prometheus is told of a controller. docs/observation.md has the list.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "cli/control/control.pb.h"
#include "cli/http/copy_rates.h"
#include "fs/io_counters.h"

namespace baton::http {

// Everything that was found out for one answer.
struct Observation {
  control::ControllerStatus status;         // as `baton status` has it
  std::optional<fs::MountIo> io;            // missing: the mount is not served
  std::map<uint64_t, std::string> volumes;  // names by id, as far as they are known
  std::map<uint64_t, CopyRate> rates = {};  // by clone
};

// A volume that is not among the first kVolumesShown by id adds to the series of this one.
inline constexpr char kOtherVolumes[] = "(other)";

std::string MetricsText(const Observation& observation);

}  // namespace baton::http
