// What clang parses once for all sources: the large headers of other people, and what they include
// anyway. That a source forgets one of these is therefore not noticed; a build without
// BATON_PRECOMPILED_HEADERS would.
#include <absl/algorithm/container.h>
#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/clock.h>
#include <fmt/format.h>
#include <google/protobuf/map.h>
#include <google/protobuf/message.h>
#include <nlohmann/json.hpp>
#include <rocksdb/db.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>
