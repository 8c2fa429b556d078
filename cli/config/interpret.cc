#include <grp.h>
#include <pwd.h>

#include <charconv>
#include <map>
#include <optional>

#include "cli/config/config.h"
#include "cli/control/control.h"
#include "engine/base/names.h"
#include "engine/base/status.h"

namespace baton {
namespace {

// Shorter would be every request; longer than programs wait.
constexpr double kLeastSlowSeconds = 0.001;
constexpr double kMostSlowSeconds = 3600;

const std::map<std::string, spdlog::level::level_enum> kLogLevels = {
    {"debug", spdlog::level::debug},
    {"info", spdlog::level::info},
    {"warning", spdlog::level::warn},
    {"error", spdlog::level::err}};

template <typename Number>
bool ParseWhole(const std::string& text, int base, Number& value) {
  const char* end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(text.data(), end, value, base);
  return error == std::errc() && parsed == end && !text.empty();
}

std::optional<uid_t> FindUser(const std::string& text) {
  uid_t uid = 0;
  if (ParseWhole(text, 10, uid)) return uid;
  // One thread reads the settings.
  const passwd* user = ::getpwnam(text.c_str());  // NOLINT(concurrency-mt-unsafe)
  return user == nullptr ? std::nullopt : std::optional(user->pw_uid);
}

std::optional<gid_t> FindGroup(const std::string& text) {
  gid_t gid = 0;
  if (ParseWhole(text, 10, gid)) return gid;
  const group* found = ::getgrnam(text.c_str());  // NOLINT(concurrency-mt-unsafe): likewise
  return found == nullptr ? std::nullopt : std::optional(found->gr_gid);
}

absl::Status InterpretVolumes(const Config& config, DaemonOptions& options) {
  const Config::Volumes& volumes = config.volumes;
  mode_t mode = 0;
  if (!ParseWhole(volumes.mode, 8, mode) || mode > 0777) {
    return RefuseSetting(config, "volumes.mode",
                         "\"" + volumes.mode + "\" is no octal mode such as 0660");
  }
  options.ownership.file_mode = mode;
  if (!volumes.owner.empty()) {
    const std::optional<uid_t> uid = FindUser(volumes.owner);
    if (!uid) return RefuseSetting(config, "volumes.owner", "there is no user " + volumes.owner);
    options.ownership.uid = *uid;
  }
  if (!volumes.group.empty()) {
    const std::optional<gid_t> gid = FindGroup(volumes.group);
    if (!gid) return RefuseSetting(config, "volumes.group", "there is no group " + volumes.group);
    options.ownership.gid = *gid;
  }
  return absl::OkStatus();
}

// The packages make the default group; what was built by hand does without.
absl::Status InterpretControl(const Config& config, DaemonOptions& options) {
  options.control = config.control;
  const std::string& group = config.control_group;
  if (group.empty()) return absl::OkStatus();
  options.control_group = FindGroup(group);
  if (options.control_group || group == control::kDefaultControlGroup) return absl::OkStatus();
  return RefuseSetting(config, "control_group", "there is no group " + group);
}

absl::Status InterpretKeeper(const Config& config, DaemonOptions& options) {
  const double liveness = config.keeper.liveness_timeout_seconds;
  const double give_up = config.keeper.give_up_after_seconds;
  if (liveness != 0 && !(absl::Seconds(liveness) >= keeper::kMinLivenessTimeout)) {
    return RefuseSetting(
        config, "keeper.liveness_timeout_seconds",
        "must be 0, or at least " + absl::FormatDuration(keeper::kMinLivenessTimeout));
  }
  if (!(give_up >= 0)) {
    return RefuseSetting(config, "keeper.give_up_after_seconds", "must not be negative");
  }
  options.liveness_timeout = absl::Seconds(liveness);
  options.give_up_after = give_up == 0 ? absl::InfiniteDuration() : absl::Seconds(give_up);
  return absl::OkStatus();
}

absl::Status InterpretSpace(const Config& config, DaemonOptions& options) {
  const Config::Space& space = config.space;
  if (!(space.warning_percent >= 0 && space.warning_percent <= 100)) {
    return RefuseSetting(config, "space.warning_percent", "must be from 0 to 100");
  }
  if (!(space.critical_percent >= 0 && space.critical_percent <= space.warning_percent)) {
    return RefuseSetting(config, "space.critical_percent", "must be from 0 to warning_percent");
  }
  options.space = {.warning_percent = space.warning_percent,
                   .critical_percent = space.critical_percent};
  return absl::OkStatus();
}

// The message names the time that is wrong; if that is not in the file, the one that contradicts
// it is.
std::string CulpritInLease(const Config& config, const std::string& message) {
  const std::string rule = message.substr(message.find(": ") + 2);
  const std::string path = "lease." + rule.substr(0, rule.find(' ')) + "_seconds";
  if (config.lines.contains(path)) return path;
  for (const auto& [other, line] : config.lines) {
    if (other.starts_with("lease.")) return other;
  }
  return path;
}

absl::Status InterpretLease(const Config& config, DaemonOptions& options) {
  const Config::Lease& lease = config.lease;
  options.lease = {.renew = absl::Seconds(lease.renew_seconds),
                   .stop = absl::Seconds(lease.stop_seconds),
                   .valid = absl::Seconds(lease.valid_seconds),
                   .takeover = absl::Seconds(lease.takeover_seconds),
                   .poll = absl::Seconds(lease.poll_seconds)};
  const absl::Status safe = CheckLeaseTimes(options.lease);
  if (safe.ok()) return safe;
  return RefuseSetting(config, CulpritInLease(config, Message(safe)), Message(safe));
}

// A port alone is one of loopback. A name might lead elsewhere tomorrow.
absl::Status InterpretHttp(const Config& config, DaemonOptions& options) {
  const std::string& listen = config.http.listen;
  if (listen.empty()) return absl::OkStatus();
  const bool is_port = listen.find_first_not_of("0123456789") == std::string::npos;
  const absl::StatusOr<ha::PeerAddress> address =
      ha::PeerAddress::Parse((is_port ? "tcp://127.0.0.1:" : "tcp://") + listen);
  if (!address.ok() || !address->IsNumber() || address->port == 0) {
    return RefuseSetting(config, "http.listen",
                         "\"" + listen +
                             "\" is no PORT, ADDRESS:PORT or [ADDRESS]:PORT, such as "
                             "127.0.0.1:9420; the address is a number");
  }
  options.http = *address;
  return absl::OkStatus();
}

absl::Status InterpretTrace(const Config& config, DaemonOptions& options) {
  const double slow = config.trace.slow_seconds;
  if (!(slow >= kLeastSlowSeconds && slow <= kMostSlowSeconds)) {
    return RefuseSetting(config, "trace.slow_seconds",
                         fmt::format("must be from {} to {}", kLeastSlowSeconds, kMostSlowSeconds));
  }
  options.slow = absl::Seconds(slow);
  return absl::OkStatus();
}

}  // namespace

absl::Status Interpret(const Config& config, DaemonOptions& options) {
  for (const auto& [path, value] :
       {std::pair("pool", &config.pool), std::pair("node", &config.node),
        std::pair("mount", &config.mount)}) {
    if (value->empty()) return RefuseSetting(config, path, "is required");
  }
  const absl::Status name = CheckName(config.node);
  if (!name.ok()) return RefuseSetting(config, "node", Message(name));
  const auto level = kLogLevels.find(config.log_level);
  if (level == kLogLevels.end()) {
    return RefuseSetting(config, "log_level", "must be debug, info, warning or error");
  }
  options.log_level = level->second;
  options.pool = config.pool;
  options.node = config.node;
  options.mount = config.mount;
  BATON_RETURN_IF_ERROR(InterpretControl(config, options));
  BATON_RETURN_IF_ERROR(InterpretVolumes(config, options));
  BATON_RETURN_IF_ERROR(InterpretKeeper(config, options));
  BATON_RETURN_IF_ERROR(InterpretSpace(config, options));
  BATON_RETURN_IF_ERROR(InterpretLease(config, options));
  BATON_RETURN_IF_ERROR(InterpretHttp(config, options));
  BATON_RETURN_IF_ERROR(InterpretTrace(config, options));
  return InterpretPair(config, options);
}

}  // namespace baton
