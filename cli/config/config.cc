#include "cli/config/config.h"

#include "cli/control/control.h"
#include "engine/base/status.h"

namespace baton {
namespace {

// Infinite durations are written as 0.
double SecondsOf(absl::Duration time) {
  return time == absl::InfiniteDuration() ? 0 : absl::ToDoubleSeconds(time);
}

}  // namespace

Config::Config()
    : control(control::kDefaultControlPath),
      control_group(control::kDefaultControlGroup),
      log_level("info"),
      volumes{.mode = "0660", .owner = "", .group = ""} {
  const DaemonOptions defaults;
  keeper = {.liveness_timeout_seconds = SecondsOf(defaults.liveness_timeout),
            .give_up_after_seconds = SecondsOf(defaults.give_up_after)};
  space = {.warning_percent = defaults.space.warning_percent,
           .critical_percent = defaults.space.critical_percent};
  lease = {.renew_seconds = SecondsOf(defaults.lease.renew),
           .stop_seconds = SecondsOf(defaults.lease.stop),
           .valid_seconds = SecondsOf(defaults.lease.valid),
           .takeover_seconds = SecondsOf(defaults.lease.takeover),
           .poll_seconds = SecondsOf(defaults.lease.poll)};
  pair = {.listen = "",
          .heartbeat_port = defaults.pair.network.heartbeat_port,
          .data_port = defaults.pair.network.data_port,
          .peers = {},
          .insecure = defaults.pair.insecure,
          .key = "",
          .allowed_keys = "",
          .takeover = ha::Name(defaults.pair.coordinator.takeover),
          .heartbeat_seconds = SecondsOf(defaults.pair.heartbeat),
          .suspect_after_seconds = SecondsOf(defaults.pair.coordinator.suspect_after),
          .io_timeout_seconds = SecondsOf(defaults.pair.io_timeout),
          .watchdog_device = "",
          .watchdog_seconds = SecondsOf(defaults.pair.watchdog.time)};
  trace = {.slow_seconds = SecondsOf(defaults.slow)};
  fence = {.command = "",
           .delay_seconds = SecondsOf(defaults.pair.fence.delay),
           .timeout_seconds = SecondsOf(defaults.pair.fence.timeout),
           .monitor_seconds = SecondsOf(defaults.pair.fence.monitor_every),
           .options = {}};
}

std::vector<Setting> SettingsOf(Config& config) {
  Config::Pair& pair = config.pair;
  return {
      {"pool", "--pool", "the pool's directory", &config.pool},
      {"node", "--node", "this controller's name", &config.node},
      {"mount", "--mount", "an empty directory: volumes appear there as files", &config.mount},
      {"control", "--control", "the socket for baton", &config.control},
      {"control_group", "--control-group", "group that may use it, by name or number",
       &config.control_group},
      {"log_level", "--log-level", "debug, info, warning or error", &config.log_level},
      {"volumes.mode", "--volume-mode", "permission bits of the volumes' files",
       &config.volumes.mode},
      {"volumes.owner", "--volume-owner", "user that owns them, by name or number",
       &config.volumes.owner},
      {"volumes.group", "--volume-group", "their group, by name or number", &config.volumes.group},
      {"keeper.liveness_timeout_seconds", "--liveness-timeout",
       "SECONDS without a sign of life after which the controller is replaced; 0: never",
       &config.keeper.liveness_timeout_seconds, "keeper.watchdog_seconds", "--watchdog"},
      {"keeper.give_up_after_seconds", "--give-up-after",
       "SECONDS that I/O may wait for a controller that ends again and again; 0: for ever",
       &config.keeper.give_up_after_seconds},
      {"pair.listen", "--listen", "tcp://ADDRESS:PORT for the other controllers", &pair.listen},
      {"pair.heartbeat_port", "", "", &pair.heartbeat_port},
      {"pair.data_port", "", "", &pair.data_port},
      {"pair.peers", "--peer", "NAME=tcp://ADDRESS:PORT of another controller; repeatable",
       &pair.peers},
      {"pair.insecure", "--insecure", "no keys between controllers; loopback addresses only",
       &pair.insecure},
      {"pair.key", "--key", "the file with this controller's secret key", &pair.key},
      {"pair.allowed_keys", "--allowed-keys", "the file with the public keys of its peers",
       &pair.allowed_keys},
      {"pair.takeover", "--takeover", "auto, fenced-only or manual", &pair.takeover},
      {"pair.heartbeat_seconds", "", "", &pair.heartbeat_seconds},
      {"pair.suspect_after_seconds", "", "", &pair.suspect_after_seconds},
      {"pair.io_timeout_seconds", "", "", &pair.io_timeout_seconds},
      {"pair.watchdog_device", "", "", &pair.watchdog_device},
      {"pair.watchdog_seconds", "", "", &pair.watchdog_seconds},
      {"space.warning_percent", "", "", &config.space.warning_percent},
      {"space.critical_percent", "", "", &config.space.critical_percent},
      {"http.listen", "--http-listen",
       "[ADDRESS:]PORT for metrics and a page, by HTTP; without ADDRESS 127.0.0.1",
       &config.http.listen},
      {"trace.slow_seconds", "", "", &config.trace.slow_seconds},
      {"lease.renew_seconds", "", "", &config.lease.renew_seconds},
      {"lease.stop_seconds", "", "", &config.lease.stop_seconds},
      {"lease.valid_seconds", "", "", &config.lease.valid_seconds},
      {"lease.takeover_seconds", "", "", &config.lease.takeover_seconds},
      {"lease.poll_seconds", "", "", &config.lease.poll_seconds},
      {"fence.command", "--fence-command", "a fence agent: turns the owner's node off",
       &config.fence.command},
      {"fence.delay_seconds", "", "", &config.fence.delay_seconds},
      {"fence.timeout_seconds", "", "", &config.fence.timeout_seconds},
      {"fence.monitor_seconds", "", "", &config.fence.monitor_seconds},
      {"fence.options", "", "", &config.fence.options},
  };
}

absl::Status RefuseSetting(const Config& config, const std::string& path, const std::string& why) {
  const auto old_name = config.old_names.find(path);
  const std::string name = old_name == config.old_names.end() ? path : old_name->second;
  const auto line = config.lines.find(path);
  if (line != config.lines.end()) {
    return Error(absl::StatusCode::kInvalidArgument, "{}:{}: {}: {}", config.file, line->second,
                 name, why);
  }
  if (name != path) return Error(absl::StatusCode::kInvalidArgument, "{}: {}", name, why);
  // Only names are asked of this copy.
  Config any = config;
  for (const Setting& setting : SettingsOf(any)) {
    if (setting.path == path && !setting.option.empty()) {
      return Error(absl::StatusCode::kInvalidArgument, "{}: {}", setting.option, why);
    }
  }
  return Error(absl::StatusCode::kInvalidArgument, "{}: {}", path, why);
}

}  // namespace baton
