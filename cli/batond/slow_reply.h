// What `trace slow` answers.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <map>
#include <string>

#include "cli/control/control.pb.h"
#include "engine/base/runtime.h"
#include "fs/session.h"

namespace baton {

// `names`: of volumes, by id.
control::SlowRequests SlowReply(const fs::SlowReport& report, const Runtime& runtime,
                                const std::map<uint64_t, std::string>& names);

}  // namespace baton
